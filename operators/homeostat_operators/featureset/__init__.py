"""The FeatureSet operator: materialisations on creation, on change, on schedule and on request."""
