"""The shadow step: records how a candidate's predictions on mirrored requests compare."""

from datetime import datetime

from homeostat.api.common import decimal
from homeostat.api.v1alpha1.modeldeployment import ModelDeployment, ModelDeploymentStatus, ShadowRecord
from homeostat_operators.modeldeployment.observed import ModelDeploymentObservation


def record(
    _resource: ModelDeployment, status: ModelDeploymentStatus, observed: ModelDeploymentObservation, _now: datetime
) -> ModelDeploymentStatus:
    """Status with the newest comparison; it informs people and blocks nothing."""
    candidate, seen = status.candidate, observed.shadow
    if candidate is None or seen is None or not seen.mirrored:
        return status
    compared = max(seen.compared, 1)
    comparison = ShadowRecord(
        mirrored_predictions=seen.mirrored,
        compared_predictions=seen.compared,
        mean_difference=decimal(seen.difference_sum / compared),
        mean_absolute_difference=decimal(seen.absolute_difference_sum / compared),
        max_absolute_difference=decimal(seen.max_absolute_difference),
        disagreements=seen.disagreements,
        message=seen.sentence(),
    )
    return status.model_copy(update={"candidate": candidate.model_copy(update={"shadow": comparison})})
