"""May it retrain? One question after the other; the first that stands in the way is the reason."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from homeostat.api.common import format_time, parse_duration
from homeostat.api.v1alpha1.dataset import RowsPerEntity
from homeostat.api.v1alpha1.featureset import FeatureSet
from homeostat.api.v1alpha1.model_source import Follow
from homeostat.api.v1alpha1.modeldeployment import ModelDeployment
from homeostat.api.v1alpha1.monitor import DecisionAction, Monitor, MonitorReason, MonitorStatus, RetrainAction
from homeostat.api.v1alpha1.signals import SignalType
from homeostat.api.v1alpha1.trainingjob import TrainingJob
from homeostat.artifacts.outcomes import LabelGain
from homeostat.reconcile.stored import find
from homeostat_operators.core import versions
from homeostat_operators.monitor.observed import MonitorObservation, is_finished, is_own

HARDLY_ANY = 100
"""Of as many entities with outcomes at most one is new in the later half of the time: the traffic has no others."""


@dataclass(frozen=True)
class Ruling:
    """The answer, with its step of the order as the reason."""

    action: DecisionAction
    reason: MonitorReason
    message: str

    @property
    def creates(self) -> bool:
        """Whether a TrainingJob follows."""
        return self.action in {DecisionAction.RETRAIN, DecisionAction.PROPOSE}


@dataclass(frozen=True)
class Case:
    """What the questions are asked about."""

    monitor: Monitor
    deployment: ModelDeployment
    status: MonitorStatus
    observed: MonitorObservation
    since: datetime
    """Start of the earliest breaching window."""
    now: datetime


def admit(case: Case) -> Ruling | None:
    """The ruling on a cause that asks for retraining; None while the labels are not counted yet."""
    for question in (_policy, _concurrent_job, _candidate_in_flight, _cooldown, _count):
        ruling = question(case)
        if ruling is not None:
            return ruling
    if not _labels_are_counted(case):
        return None
    return _labels(case) or _features(case) or _admitted(case)


def _wait(reason: MonitorReason, message: str) -> Ruling:
    return Ruling(DecisionAction.WAIT, reason, message)


def _policy(case: Case) -> Ruling | None:
    action = case.monitor.spec.retrain.action
    if case.monitor.spec.suspend:
        return Ruling(DecisionAction.NONE, MonitorReason.SUSPENDED, "The Monitor is suspended.")
    if action is RetrainAction.NONE:
        return Ruling(DecisionAction.NONE, MonitorReason.RETRAINING_DISABLED, "spec.retrain.action is None.")
    if action is RetrainAction.ALERT:
        return Ruling(DecisionAction.ALERT, MonitorReason.ALERT_ONLY, "spec.retrain.action is Alert: a person decides.")
    return None


def _concurrent_job(case: Case) -> Ruling | None:
    model = case.deployment.spec.registered.name
    running = [j for j in case.observed.jobs if j.spec.output.model == model and not is_finished(j)]
    names = [job.metadata.name for job in running]
    pending = case.status.retraining
    if pending is not None and not pending.uid:
        names.append(pending.name)
    if not names:
        return None
    unreadable = find(case.observed.unreadable, TrainingJob, names[0])
    message = str(unreadable) if unreadable else f"TrainingJob {names[0]} for model {model} is not finished."
    return _wait(MonitorReason.CONCURRENT_JOB, message)


@dataclass(frozen=True)
class _Recorded:
    """A version as a TrainingJob recorded it."""

    version: str
    digest: str
    completed: datetime | None


def untried_version(deployment: ModelDeployment, jobs: tuple[TrainingJob, ...]) -> versions.Recorded | None:
    """A recorded version that a following deployment has not yet taken up, or None.

    One that the deployment cannot take up, because it has the number of the version that serves, is none: another training
    is what it takes.
    """
    registered, stable = deployment.spec.registered, deployment.status.stable
    if registered.follow is not Follow.NEWEST:
        return None
    recorded = [
        _Recorded(j.status.model.version, j.status.model.digest, j.status.completion_time)
        for j in jobs
        if j.spec.output.model == registered.name and j.status.model and j.status.model.version
    ]
    newest = versions.newest(recorded)
    if newest is None or versions.takes_number(newest, stable) or not versions.is_newer(newest, stable, recorded):
        return None
    tried = any(versions.is_same(entry, newest) for entry in deployment.status.history)
    return None if tried else newest


def _candidate_in_flight(case: Case) -> Ruling | None:
    candidate, stable = case.deployment.status.candidate, case.deployment.status.stable
    if candidate is not None:
        doing = f"answers {candidate.share}" if candidate.share else "is being rolled out"
        return _wait(MonitorReason.CANDIDATE_IN_FLIGHT, f"Version {candidate.version} {doing}.")
    untried = untried_version(case.deployment, case.observed.jobs)
    if untried is not None:
        return _wait(
            MonitorReason.CANDIDATE_IN_FLIGHT, f"Version {untried.version} has not been evaluated by the gate yet."
        )
    windows = [parse_duration(s.window) for s in case.monitor.spec.signals if s.type is SignalType.PERFORMANCE]
    delay = case.deployment.spec.outcome_delay
    if stable is not None:
        ripe = stable.since + delay + max(windows, default=timedelta())
        if case.now < ripe:
            message = f"Outcomes of version {stable.version} itself are not due before {format_time(ripe)}."
            return _wait(MonitorReason.CANDIDATE_IN_FLIGHT, message)
    return None


def own_times(monitor: Monitor, status: MonitorStatus, jobs: tuple[TrainingJob, ...]) -> list[datetime]:
    """When each breach-triggered TrainingJob of this Monitor was asked for; one that was deleted since still counts."""
    own = {j.metadata.name: j.metadata.creation_timestamp for j in jobs if is_own(j, monitor.metadata.uid)}
    times = [time for time in own.values() if time is not None]
    if status.retraining is not None and status.retraining.name not in own:
        times.append(status.retraining.time)
    return sorted(times)


def eligible_from(monitor: Monitor, status: MonitorStatus, jobs: tuple[TrainingJob, ...]) -> datetime | None:
    """End of the cooldown; None when there was no retraining."""
    times = own_times(monitor, status, jobs)
    return times[-1] + parse_duration(monitor.spec.retrain.cooldown) if times else None


def _cooldown(case: Case) -> Ruling | None:
    until = eligible_from(case.monitor, case.status, case.observed.jobs)
    if until is None or case.now >= until:
        return None
    message = f"The last retraining was less than {case.monitor.spec.retrain.cooldown} ago; the next may begin at {format_time(until)}."
    return _wait(MonitorReason.COOLDOWN, message)


def _count(case: Case) -> Ruling | None:
    bound = case.monitor.spec.retrain.max_retrains
    if bound is None:
        return None
    after = case.now - parse_duration(bound.window)
    recent = sum(time > after for time in own_times(case.monitor, case.status, case.observed.jobs))
    if recent < bound.count:
        return None
    return _wait(
        MonitorReason.RETRAIN_LIMIT_REACHED, f"{recent} retrainings within {bound.window}; {bound.count} are allowed."
    )


def _labels_are_counted(case: Case) -> bool:
    labels = case.observed.labels
    return case.monitor.spec.retrain.requires.new_labels == 0 or (labels is not None and labels.since == case.since)


def _labels(case: Case) -> Ruling | None:
    need = case.monitor.spec.retrain.requires.new_labels
    if case.observed.labels is None or case.observed.labels.gain.rows >= need:
        return None  # they are counted wherever they are needed
    gain = case.observed.labels.gain
    since = format_time(case.since)
    if not _exhausted(gain, need):
        message = _gained(case, gain, need, since)
        return _wait(MonitorReason.WAITING_FOR_LABELS, message)
    message = (
        f"requires.newLabels of {need} cannot be reached with this traffic: {gain.outcomes} outcomes of predictions made since "
        f"{since} are of {gain.rows} entities to train on, a training takes one row of each, and hardly any entity is new "
        f"({gain.held_out} more are held out). Set spec.retrain.requires.newLabels to at most {gain.rows}, or create a "
        "TrainingJob yourself."
    )
    return Ruling(DecisionAction.ALERT, MonitorReason.LABELS_EXHAUSTED, message)


def _gained(case: Case, gain: LabelGain, need: int, since: str) -> str:
    template = case.monitor.spec.retrain.template
    if template is not None and template.spec.dataset.rows_per_entity is RowsPerEntity.ALL:
        held = f"; those of {gain.held_out} entities are held out" if gain.held_out else ""
        return f"{gain.rows} of {need} rows to train on are labelled, of predictions made since {since}{held}."
    held = f"; {gain.held_out} more are held out" if gain.held_out else ""
    return f"{gain.rows} of {need} entities to train on are labelled for predictions made since {since}{held}."


def _exhausted(gain: LabelGain, need: int) -> bool:
    """Whether the same entities come again and again, and as many new ones as of late would not fill the need."""
    repeats = gain.later_outcomes >= gain.rows > 0
    return repeats and gain.later_rows * HARDLY_ANY <= gain.rows and gain.rows + gain.later_rows < need


def _features(case: Case) -> Ruling | None:
    template = case.monitor.spec.retrain.template
    for ref in template.spec.dataset.feature_sets if template else []:
        if ref.name not in case.observed.materialized:
            unreadable = find(case.observed.unreadable, FeatureSet, ref.name)
            missing = str(unreadable) if unreadable else f"FeatureSet {ref.name} does not exist; create it."
            return _wait(MonitorReason.WAITING_FOR_FEATURES, missing)
        through = case.observed.materialized[ref.name]
        if through is None or through < case.since:
            state = f"is materialised through {format_time(through)}" if through else "is not materialised"
            how = case.observed.renewals[ref.name]
            message = f"FeatureSet {ref.name} {state}; the breach began at {format_time(case.since)}. {how}"
            return _wait(MonitorReason.WAITING_FOR_FEATURES, message)
    return None


def _admitted(case: Case) -> Ruling:
    if case.monitor.spec.retrain.action is RetrainAction.PROPOSE:
        message = "A TrainingJob is proposed: set its spec.suspend to false to run it."
        return Ruling(DecisionAction.PROPOSE, MonitorReason.PROPOSED, message)
    return Ruling(DecisionAction.RETRAIN, MonitorReason.ADMITTED, "All admission checks passed.")
