"""homeostat.dev/v1alpha1: the four kinds of the loop."""

from homeostat.api.v1alpha1.featureset import FeatureSet, FeatureSetSpec, FeatureSetStatus
from homeostat.api.v1alpha1.modeldeployment import ModelDeployment, ModelDeploymentSpec, ModelDeploymentStatus
from homeostat.api.v1alpha1.monitor import Monitor, MonitorSpec, MonitorStatus
from homeostat.api.v1alpha1.trainingjob import TrainingJob, TrainingJobSpec, TrainingJobStatus

KINDS = (FeatureSet, TrainingJob, ModelDeployment, Monitor)

__all__ = [
    "KINDS",
    "FeatureSet",
    "FeatureSetSpec",
    "FeatureSetStatus",
    "ModelDeployment",
    "ModelDeploymentSpec",
    "ModelDeploymentStatus",
    "Monitor",
    "MonitorSpec",
    "MonitorStatus",
    "TrainingJob",
    "TrainingJobSpec",
    "TrainingJobStatus",
]
