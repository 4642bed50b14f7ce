"""The registration of a trained model in the registry (MLflow): name, intent and tags of the version; pure.

`Register` of `core/actions.py` performs it, and looks for the version of the same intent first.
"""

from homeostat.api.v1alpha1 import TrainingJob, TrainingJobStatus
from homeostat.api.v1alpha1.trainingjob import Provenance
from homeostat_operators.core.actions import Register


def model_name(resource: TrainingJob) -> str:
    """Name of the model in the registry, whose names are global."""
    return f"{resource.metadata.namespace}.{resource.spec.output.model}"


def intent_of(resource: TrainingJob) -> str:
    """What a registered version stands for: this object, whichever of its attempts succeeded."""
    return resource.metadata.uid


def tags(resource: TrainingJob, status: TrainingJobStatus) -> dict[str, str]:
    """Tags of the registered version: where it comes from."""
    dataset, recorded = status.dataset, status.provenance or Provenance()
    values = {
        "homeostat.trainingjob": f"{resource.metadata.namespace}/{resource.metadata.name}",
        "homeostat.attempt": str(status.attempt),
        "homeostat.dataset": dataset.digest if dataset else "",
        "homeostat.pipeline": recorded.pipeline_digest,
        "homeostat.parameters": recorded.parameters_hash,
        "homeostat.environment": recorded.environment_digest,
        "homeostat.image": recorded.image,
    }
    return {key: value for key, value in values.items() if value}


def register(resource: TrainingJob, status: TrainingJobStatus) -> Register:
    """The registration of the trained model that the status records.

    Args:
        resource: The TrainingJob.
        status: Its status, with a model.
    """
    model = status.model
    assert model is not None  # noqa: S101 - the caller's branch
    return Register(model_name(resource), intent_of(resource), model.uri, model.digest, tags(resource, status))


def registered(status: TrainingJobStatus, version: str) -> TrainingJobStatus:
    """The status with the version that the registry assigned."""
    model = status.model
    assert model is not None  # noqa: S101 - the caller's branch
    return status.model_copy(update={"model": model.model_copy(update={"version": version})})
