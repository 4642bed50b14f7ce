"""The Kubernetes API of Homeostat: one module per version and kind, from which the CRDs are generated."""
