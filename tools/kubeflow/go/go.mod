module kubeflow

go 1.24

require (
	github.com/argoproj/argo-workflows/v3 v3.3.10
	github.com/kubeflow/pipelines v0.0.0-20231208180049-c5658f09ec38
)

replace (
	k8s.io/kubernetes => k8s.io/kubernetes v1.11.1
	sigs.k8s.io/controller-tools => sigs.k8s.io/controller-tools v0.2.9
)
