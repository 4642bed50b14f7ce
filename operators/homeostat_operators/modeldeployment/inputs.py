"""Inputs that callers send: a version that needs more of them than its champion is held before it meets a request."""

from datetime import datetime

from homeostat.api.v1alpha1.modeldeployment import ModelDeployment, ModelDeploymentStatus, Outcome
from homeostat_operators.modeldeployment.candidates import finish, is_retry
from homeostat_operators.modeldeployment.observed import ModelDeploymentObservation


def hold(
    resource: ModelDeployment, status: ModelDeploymentStatus, observed: ModelDeploymentObservation, now: datetime
) -> ModelDeploymentStatus:
    """Status without a candidate whose requests would lack an input, unless a person asked for it all the same."""
    candidate, stable, names = status.candidate, status.stable, observed.new_inputs
    if candidate is None or stable is None or not candidate.gate_passed or candidate.step_start_time is not None:
        return status
    if not names or is_retry(status, candidate.digest):
        return status
    several = len(names) > 1
    reason = (
        f"Every request needs the input{'s' if several else ''} {', '.join(map(repr, names))}, which version {stable.version} "
        f"does not have, so callers do not send {'them' if several else 'it'} yet. Let them send {'them' if several else 'it'}, "
        f"which version {stable.version} ignores, and then try this version again."
    )
    return finish(resource, status, Outcome.HELD, reason, now)


def are_unknown(status: ModelDeploymentStatus, observed: ModelDeploymentObservation) -> bool:
    """Whether a candidate before its first step must wait, because its inputs were not compared with the champion's yet."""
    candidate = status.candidate
    if candidate is None or status.stable is None or candidate.step_start_time is not None:
        return False
    return observed.new_inputs is None
