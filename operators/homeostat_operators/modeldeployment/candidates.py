"""Which version is on its way, and how its way ends."""

from datetime import datetime

from homeostat.api.v1alpha1.modeldeployment import (
    Candidate,
    HistoryEntry,
    ModelDeployment,
    ModelDeploymentStatus,
    Outcome,
    ServedVersion,
)
from homeostat_operators.modeldeployment.observed import Available, ModelDeploymentObservation


def target_version(
    resource: ModelDeployment, status: ModelDeploymentStatus, observed: ModelDeploymentObservation
) -> Available | None:
    """The version that should become the candidate, or None.

    ``follow: Newest`` looks at the highest version only: where it failed here, an older one is not tried instead. A pinned
    version that failed is tried again when the spec was changed since; a followed one is not, because a change of, say,
    replicas is no reason to meet traffic with a bad model again.
    """
    pin = resource.spec.registered.version
    serving = int(status.stable.version) if status.stable else 0
    if pin is not None:
        available = observed.available(pin)
        return None if available is None or int(pin) == serving or failed(resource, status, available) else available
    newest = max(observed.versions, key=lambda one: int(one.version), default=None)
    if newest is None or int(newest.version) <= serving or failed(resource, status, newest):
        return None
    return newest


def failed(resource: ModelDeployment, status: ModelDeploymentStatus, version: Available) -> bool:
    """Whether this version's last way here ended badly, and nothing asks for another."""
    entry = next((e for e in status.history if e.version == version.version), None)
    if entry is None or entry.outcome is Outcome.PROMOTED or entry.digest != version.digest:
        return False
    is_retried = resource.spec.registered.version is not None and entry.generation < resource.metadata.generation
    return not is_retried


def choose(
    resource: ModelDeployment, status: ModelDeploymentStatus, observed: ModelDeploymentObservation, now: datetime
) -> ModelDeploymentStatus:
    """Status with the right candidate: one that has passed the gate stays, unless the spec pins another version."""
    current, target = status.candidate, target_version(resource, status, observed)
    pin = resource.spec.registered.version
    if current is not None and current.gate_passed:
        if pin is None or pin == current.version:
            return status
        return finish(
            resource, status, Outcome.ROLLED_BACK, f"spec.model.registered.version now pins version {pin}.", now
        )
    if target is None:
        return status.model_copy(update={"candidate": None})
    if current is not None and (current.version, current.digest) == (target.version, target.digest):
        return status
    new = Candidate(
        version=target.version,
        digest=target.digest,
        uri=target.uri,
        training_job=target.training_job,
        feature_set=target.feature_set,
        since=now,
    )
    return status.model_copy(update={"candidate": new})


def finish(
    resource: ModelDeployment, status: ModelDeploymentStatus, outcome: Outcome, message: str, now: datetime
) -> ModelDeploymentStatus:
    """Status after the candidate's way has ended; a promoted one is the champion from now on."""
    candidate = status.candidate
    if candidate is None:
        return status
    entry = HistoryEntry(
        version=candidate.version,
        digest=candidate.digest,
        outcome=outcome,
        message=message,
        generation=resource.metadata.generation,
        time=now,
    )
    others = [e for e in status.history if e.version != candidate.version]
    update: dict[str, object] = {
        "candidate": None,
        "history": [entry, *others][: resource.spec.rollback.history_limit],
    }
    if outcome is Outcome.PROMOTED:
        fields = candidate.model_dump(include=set(ServedVersion.model_fields), by_alias=False)
        update["stable"] = ServedVersion.model_validate({**fields, "since": now})
    return status.model_copy(update=update)
