"""Names that follow from a TrainingJob: its model in the registry and its intent; pure."""

from homeostat.api.v1alpha1 import TrainingJob


def model_name(resource: TrainingJob) -> str:
    """Name of the model in the registry, whose names are global."""
    return f"{resource.metadata.namespace}.{resource.spec.output.model}"


def intent_of(resource: TrainingJob) -> str:
    """What a registered version stands for: this object, whichever of its attempts succeeded."""
    return resource.metadata.uid
