"""A real Kubeflow Pipelines backend on the local cluster: what the Kubeflow engine is tried against."""
