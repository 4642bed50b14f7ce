"""Which engine runs a TrainingJob; pure."""

from homeostat.api.v1alpha1 import TrainingJob


def engine_name(resource: TrainingJob, default: str) -> str:
    """Engine of the attempt that is reserved; else what the spec asks for, or the platform's own."""
    run = resource.status.run
    if run is not None and run.completion_time is None:
        return run.engine
    return resource.spec.engine.value if resource.spec.engine else default
