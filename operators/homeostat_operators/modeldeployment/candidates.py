"""Which version is on its way, and how its way ends."""

from datetime import datetime

from homeostat.api.v1alpha1.modeldeployment import (
    MAX_RETRY_REQUEST,
    Candidate,
    HistoryEntry,
    ModelDeployment,
    ModelDeploymentStatus,
    Outcome,
    ServedVersion,
)
from homeostat_operators.core import versions
from homeostat_operators.modeldeployment.observed import Available, ModelDeploymentObservation

COUNTED_ANEW = "the registry was restored or counts anew"

RETRY_ANNOTATION = "homeostat.dev/retry"
"""Digest of a version that failed: each value that the annotation did not have before tries that version once more. What follows
a slash has no meaning of its own; it makes another value of the same digest."""


def wanted_version(
    resource: ModelDeployment, status: ModelDeploymentStatus, observed: ModelDeploymentObservation
) -> Available | None:
    """The version that the spec asks for and that does not serve yet, whether it failed or not.

    ``follow: Newest`` looks at the newest version only: where it failed here, an older one is not tried instead.
    """
    pin, stable = resource.spec.registered.version, status.stable
    if pin is not None:
        numbered = observed.numbered(pin)
        is_clear = len({one.digest for one in numbered}) == 1
        return None if not is_clear or (stable and pin == stable.version) else versions.newest(numbered)
    newest = versions.newest(observed.versions)
    if newest is None or versions.takes_number(newest, stable):
        return None
    return newest if versions.is_newer(newest, stable, observed.versions) else None


def ambiguity(
    resource: ModelDeployment, status: ModelDeploymentStatus, observed: ModelDeploymentObservation
) -> str | None:
    """Why the version that the spec asks for is not taken up, if its number stands for different files; None otherwise."""
    pin, stable = resource.spec.registered.version, status.stable
    meant = observed.versions if pin is None else observed.numbered(pin)
    if pin is not None and len({one.digest for one in meant}) > 1:
        jobs = " and ".join(sorted(one.training_job for one in meant))
        return (
            f"TrainingJobs {jobs} recorded version {pin} with different files: {COUNTED_ANEW}. Delete those whose version is "
            "not meant."
        )
    newest = versions.newest(meant)
    if newest is None or not versions.takes_number(newest, stable):
        return None
    return (
        f"TrainingJob {newest.training_job} recorded version {newest.version}, the number of the version that serves, with "
        f"other files: {COUNTED_ANEW}. It is not rolled out; train again, and the version gets another number."
    )


def target_version(
    resource: ModelDeployment, status: ModelDeploymentStatus, observed: ModelDeploymentObservation
) -> Available | None:
    """The version that should become the candidate, or None."""
    wanted = wanted_version(resource, status, observed)
    return None if wanted is None or failed(resource, status, wanted) else wanted


def failed(resource: ModelDeployment, status: ModelDeploymentStatus, version: Available) -> bool:
    """Whether this version's last way here ended badly, and nothing asks for another.

    A pinned version that failed is tried again when the spec was changed since; a followed one is not, because a change of,
    say, replicas is no reason to meet traffic with a bad model again. The annotation asks for either.
    """
    current = status.candidate
    if current is not None and versions.is_same(current, version):
        return False
    entry = next((e for e in status.history if versions.is_same(e, version)), None)
    if entry is None or entry.outcome is Outcome.PROMOTED:
        return False
    is_repinned = resource.spec.registered.version is not None and entry.generation < resource.metadata.generation
    return not is_repinned and not _asks_again(resource, status, version.digest)


def retry_request(resource: ModelDeployment) -> str:
    """The annotation; empty without one."""
    return resource.metadata.annotations.get(RETRY_ANNOTATION, "")[:MAX_RETRY_REQUEST]


def next_retry_request(status: ModelDeploymentStatus, digest: str) -> str:
    """The value of the annotation that would try this digest again."""
    last, _, count = status.retried.partition("/")
    if last != digest:
        return digest
    return f"{digest}/{int(count) + 1 if count.isdecimal() else 2}"


def is_retry(status: ModelDeploymentStatus, digest: str) -> bool:
    """Whether a person asked for this digest, by the newest request that was followed."""
    return status.retried.partition("/")[0] == digest


def _asks_again(resource: ModelDeployment, status: ModelDeploymentStatus, digest: str) -> bool:
    request = retry_request(resource)
    return request != status.retried and request.partition("/")[0] == digest


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
    if current is not None and versions.is_same(current, target):
        return status
    new = Candidate(
        version=target.version,
        digest=target.digest,
        uri=target.uri,
        training_job=target.training_job,
        feature_set=target.feature_sets[0],
        since=now,
        completion_time=target.completed,
    )
    retried = retry_request(resource) if _asks_again(resource, status, new.digest) else status.retried
    return status.model_copy(update={"candidate": new, "retried": retried})


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
    others = [e for e in status.history if not versions.is_same(e, candidate)]
    update: dict[str, object] = {
        "candidate": None,
        "history": [entry, *others][: resource.spec.rollback.history_limit],
    }
    if outcome is Outcome.PROMOTED:
        fields = candidate.model_dump(include=set(ServedVersion.model_fields), by_alias=False)
        update["stable"] = ServedVersion.model_validate({**fields, "since": now})
    return status.model_copy(update=update)
