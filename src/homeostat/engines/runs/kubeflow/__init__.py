"""Kubeflow Pipelines as an engine of runs."""
