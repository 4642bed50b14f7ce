"""Runs: materialisation of FeatureSets, the training pipelines, evaluation; each started by an operator's Job."""
