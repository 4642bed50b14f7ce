"""Names that follow from a TrainingJob: its engine, its model in the registry, its intent; pure."""

from homeostat.api.v1alpha1 import TrainingJob


def engine_name(resource: TrainingJob, default: str) -> str:
    """Engine of the attempt that is reserved; else what the spec asks for, or the platform's own."""
    run = resource.status.run
    if run is not None and run.completion_time is None:
        return run.engine
    return resource.spec.engine.value if resource.spec.engine else default


def model_name(resource: TrainingJob) -> str:
    """Name of the model in the registry, whose names are global."""
    return f"{resource.metadata.namespace}.{resource.spec.output.model}"


def intent_of(resource: TrainingJob) -> str:
    """What a registered version stands for: this object, whichever of its attempts succeeded."""
    return resource.metadata.uid
