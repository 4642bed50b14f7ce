"""The shadow: what a candidate said about copies of requests, kept in its status."""

from datetime import datetime

from homeostat.api.common import decimal
from homeostat.api.v1alpha1.modeldeployment import ModelDeployment, ModelDeploymentStatus, ShadowRecord
from homeostat_operators.modeldeployment.observed import ModelDeploymentObservation


def record(
    _resource: ModelDeployment, status: ModelDeploymentStatus, observed: ModelDeploymentObservation, _now: datetime
) -> ModelDeploymentStatus:
    """Status with the newest comparison; it is told and judged by people, and holds nothing up."""
    candidate, seen = status.candidate, observed.shadow
    if candidate is None or seen is None or not seen.copies:
        return status
    pairs = max(seen.pairs, 1)
    told = ShadowRecord(
        copies=seen.copies,
        pairs=seen.pairs,
        difference=decimal(seen.difference_sum / pairs),
        distance=decimal(seen.distance_sum / pairs),
        largest_distance=decimal(seen.largest_distance),
        changed=seen.changed,
        sentence=seen.sentence(),
    )
    return status.model_copy(update={"candidate": candidate.model_copy(update={"shadow": told})})
