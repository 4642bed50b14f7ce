"""The shadow step: records how a candidate's predictions on mirrored requests compare."""

from datetime import datetime

from homeostat.api.common import decimal
from homeostat.api.v1alpha1.modeldeployment import ModelDeployment, ModelDeploymentStatus, ShadowRecord
from homeostat_operators.modeldeployment.observed import ModelDeploymentObservation


def record(
    _resource: ModelDeployment, status: ModelDeploymentStatus, observed: ModelDeploymentObservation, _now: datetime
) -> ModelDeploymentStatus:
    """Status with the newest comparison; it informs people and blocks nothing."""
    candidate, comparison = status.candidate, observed.shadow
    if candidate is None or comparison is None or not comparison.mirrored:
        return status
    compared = max(comparison.compared, 1)
    summary = ShadowRecord(
        mirrored_predictions=comparison.mirrored,
        compared_predictions=comparison.compared,
        mean_difference=decimal(comparison.difference_sum / compared),
        mean_absolute_difference=decimal(comparison.absolute_difference_sum / compared),
        max_absolute_difference=decimal(comparison.max_absolute_difference),
        disagreements=comparison.disagreements,
        message=comparison.sentence(),
    )
    return status.model_copy(update={"candidate": candidate.model_copy(update={"shadow": summary})})
