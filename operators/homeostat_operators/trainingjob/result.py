"""What a finished attempt leaves in the status."""

import math
from datetime import datetime

from pydantic import ValidationError

from homeostat.api.common import decimal
from homeostat.api.v1alpha1 import TrainingJob, TrainingJobStatus
from homeostat.api.v1alpha1.trainingjob import DatasetRecord, MetricValue, ModelVersion, Progress, Provenance
from homeostat.engines.runs import RunState
from homeostat.runs import Beside, TrainInput, TrainResult
from homeostat_operators.trainingjob.registration import model_name

METRICS_LIMIT = 32


def taken(
    resource: TrainingJob, delivered: TrainResult, job: RunState | None, image: str, now: datetime
) -> TrainingJobStatus:
    """The status with the result of the current attempt; the version is still to be registered."""
    status = resource.status
    recorded = (provenance(job, image, resource) if job else None) or status.provenance or Provenance(image=image)
    metrics = sorted((name, value) for name, value in delivered.metrics.items() if math.isfinite(value))[:METRICS_LIMIT]
    return status.model_copy(
        update={
            "run": status.run.model_copy(update={"completion_time": now}) if status.run else None,
            "progress": Progress(completed_steps=1, total_steps=1, summary="100%"),
            "steps": list(job.steps) if job else status.steps,
            "metrics": [_metric(name, value, delivered.beside.get(name, Beside())) for name, value in metrics],
            "model": ModelVersion(
                name=model_name(resource),
                uri=delivered.model.uri,
                digest=delivered.model.digest,
                judged_digest=delivered.judged.digest if delivered.judged else None,
            ),
            "dataset": DatasetRecord(**delivered.dataset.model_dump()),
            "provenance": recorded.model_copy(
                update={
                    "pipeline_digest": delivered.pipeline_digest or recorded.pipeline_digest,
                    "parameters_hash": delivered.parameters_hash,
                    "environment_digest": delivered.environment_digest,
                }
            ),
            "gpu_seconds": status.gpu_seconds + delivered.gpu_seconds,
        }
    )


def _metric(name: str, value: float, beside: Beside) -> MetricValue:
    known = ((field, number) for field, number in beside if number is not None and math.isfinite(number))
    return MetricValue(name=name, value=decimal(value), **{field: decimal(number) for field, number in known})


def provenance(job: RunState, image: str, resource: TrainingJob) -> Provenance | None:
    """What the attempt was in truth told, from its Job; None if that cannot be read."""
    try:
        document = TrainInput.model_validate_json(job.document)
    except ValidationError:
        return None
    snapshots = [f"{source.name}@{source.snapshot_digest}" for source in document.feature_sets]
    recorded = resource.status.provenance or Provenance()
    return recorded.model_copy(
        update={"image": document.image or image, "seed": document.seed, "feature_snapshots": snapshots}
    )
