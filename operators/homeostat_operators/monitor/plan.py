"""What to do about a Monitor: a pure function of its spec, its status, the world and the clock.

One reconciliation judges windows, finds the cause, decides whether a retraining is admitted, and writes the decision and the
number of its TrainingJob into status; the create follows from status. The next one finishes a reconciliation that was
stopped anywhere, and nothing is created twice.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from homeostat.api.common import parse_duration, truncated
from homeostat.api.v1alpha1.modeldeployment import ModelDeployment, ServedVersion
from homeostat.api.v1alpha1.monitor import (
    Decision,
    DecisionAction,
    LabelProgress,
    Monitor,
    MonitorStatus,
    NamedValue,
    RetrainAction,
    Retraining,
)
from homeostat.enums import SignalState
from homeostat.reconcile.names import number_of
from homeostat.signals import diagnose
from homeostat_operators.core import versions
from homeostat_operators.core.actions import Action, CreateOnce
from homeostat_operators.core.plan import Plan
from homeostat_operators.core.runs import Claim, claim, next_number
from homeostat_operators.monitor import admission, children, conditions, judgement
from homeostat_operators.monitor.diagnosis import answer, gather_evidence
from homeostat_operators.monitor.observed import MonitorObservation, SignalData, is_finished, maker_of

DEPLOYMENT_POLL_INTERVAL = timedelta(seconds=10)
SHORTEST_POLL_INTERVAL, LONGEST_POLL_INTERVAL = timedelta(seconds=2), timedelta(seconds=60)
POLLS_PER_WINDOW = 12
MAX_VALUES = 32


def plan(resource: Monitor, observed: MonitorObservation, now: datetime) -> Plan[MonitorStatus]:
    """The next status, and the actions that follow from it."""
    status = resource.status.model_copy(update={"observed_generation": resource.metadata.generation})
    status = _settled(resource, status, observed)
    deployment = observed.deployment
    stable = deployment.status.stable if deployment else None
    if deployment is None or stable is None:
        status = status.model_copy(update={"signals": [], "breached": "", "breach_since": None, "labels": None})
        new_conditions = conditions.waiting(resource, status, observed, now)
        status = status.model_copy(update={"conditions": new_conditions})
        return Plan(status=status, actions=_create(resource, status), requeue_after=DEPLOYMENT_POLL_INTERVAL)
    status = _judged(resource, status, observed, stable, now)
    status = _decided(resource, status, observed, deployment, now)
    until = admission.eligible_from(resource, status, observed.jobs)
    status = status.model_copy(update={"next_eligible_time": until if until and until > now else None})
    status = status.model_copy(update={"conditions": conditions.conditions_of(resource, status, observed, now)})
    return Plan(
        status=status, actions=_create(resource, status), requeue_after=_requeue_after(resource, status, observed)
    )


def _settled(resource: Monitor, status: MonitorStatus, observed: MonitorObservation) -> MonitorStatus:
    """Status with the uid of the TrainingJob that was reserved last, once it exists."""
    record = status.retraining
    if record is None or record.uid:
        return status
    job = observed.job(record.name)
    match claim(record.uid, maker_of(job) if job else None, resource.metadata.uid):
        case Claim.OURS if job is not None:
            return status.model_copy(update={"retraining": record.model_copy(update={"uid": job.metadata.uid})})
        case Claim.TAKEN:
            return _moved(resource, status, observed, record)
        case _:  # not created yet
            return status


def _moved(resource: Monitor, status: MonitorStatus, observed: MonitorObservation, record: Retraining) -> MonitorStatus:
    """Status with the next number for the retraining, and with the decision that it follows from."""
    # The name belongs to another's job, created between our observation and our create: the next number is ours.
    moved, name = _reserved(resource, status, observed, record.message, record.time)
    decision = status.last_decision
    if decision is None or decision.training_job != record.name:
        return moved
    return moved.model_copy(update={"last_decision": decision.model_copy(update={"training_job": name})})


def _judged(
    resource: Monitor, status: MonitorStatus, observed: MonitorObservation, stable: ServedVersion, now: datetime
) -> MonitorStatus:
    old = {signal.name: signal for signal in status.signals}
    new = [
        judgement.status_of(one, old.get(one.name), observed.signals.get(one.name, SignalData()), stable, now)
        for one in resource.spec.signals
    ]
    since = judgement.breach_since(new)
    need, counted = resource.spec.retrain.requires.new_labels, observed.labels
    labels = None
    if since is not None and need > 0:
        have = counted.gain.rows if counted and counted.since == since else 0
        labels = LabelProgress(available=have, required=need)
    breached = ", ".join(signal.name for signal in new if signal.state is SignalState.BREACHED)
    return status.model_copy(update={"signals": new, "breached": breached, "breach_since": since, "labels": labels})


@dataclass(frozen=True)
class _Finding:
    """A cause with its ruling, ready to be written down."""

    cause: str
    ruling: admission.Ruling
    message: str
    values: dict[str, str]


def _decided(
    resource: Monitor, status: MonitorStatus, observed: MonitorObservation, deployment: ModelDeployment, now: datetime
) -> MonitorStatus:
    """Status with the decision of this reconciliation; the old one stands while nothing but figures changed."""
    if _retraining_is_under_way(status, observed, deployment):
        return status
    finding = _finding(resource, status, observed, deployment, now)
    last = status.last_decision
    if finding is None or (last and _same(last, finding)):
        return status
    number, job = status.decisions + 1, ""
    if finding.ruling.creates:
        status, job = _reserved(resource, status, observed, finding.message, now)
    decision = Decision(
        id=str(number),
        cause=finding.cause,
        action=finding.ruling.action,
        reason=finding.ruling.reason.value,
        message=finding.message,
        values=[NamedValue(name=k, value=truncated(v, 256)) for k, v in finding.values.items()][:MAX_VALUES],
        training_job=job,
        time=now,
    )
    return status.model_copy(update={"last_decision": decision, "decisions": number})


def _same(last: Decision, finding: _Finding) -> bool:
    """Whether the decision stands; one that created a TrainingJob, now over, does not stand for another."""
    new = (finding.cause, finding.ruling.action, finding.ruling.reason.value)
    return not finding.ruling.creates and (last.cause, last.action, last.reason) == new


def _finding(
    resource: Monitor, status: MonitorStatus, observed: MonitorObservation, deployment: ModelDeployment, now: datetime
) -> _Finding | None:
    pairs = list(zip(resource.spec.signals, status.signals, strict=True))
    diagnosis = diagnose(gather_evidence(pairs, observed.stale))
    values = dict(diagnosis.values)
    ruling = answer(diagnosis.cause, diagnosis.reason, pairs)
    if resource.spec.suspend:
        ruling = admission.Ruling(
            DecisionAction.NONE, conditions.SUSPENDED, "The Monitor is suspended: no decisions are made."
        )
        return _Finding(diagnosis.cause.value, ruling, f"{diagnosis.reason} {ruling.message}", values)
    if ruling is not None:
        return _Finding(diagnosis.cause.value, ruling, diagnosis.reason, values)
    if status.breach_since is None:
        return None
    case = admission.Case(resource, deployment, status, observed, status.breach_since, now)
    ruling = admission.admit(case)
    if ruling is None:
        return None
    if status.labels is not None:
        values["new rows to train on"] = f"{status.labels.available} of {status.labels.required}"
    return _Finding(diagnosis.cause.value, ruling, f"{diagnosis.reason} {ruling.message}", values)


def _retraining_is_under_way(status: MonitorStatus, observed: MonitorObservation, deployment: ModelDeployment) -> bool:
    """Whether the last decision's own TrainingJob, or the version that it made, is still on its way.

    Until then that decision stands: it would tell nobody anything to replace it by "a job is running".
    """
    last, record = status.last_decision, status.retraining
    if last is None or record is None or last.training_job != record.name:
        return False
    job = observed.job(record.name)
    if job is None:
        return not record.uid
    if not is_finished(job):
        return True
    made = job.status.model
    on_its_way = (deployment.status.candidate, admission.untried_version(deployment, observed.jobs))
    return made is not None and any(one is not None and versions.is_same(one, made) for one in on_its_way)


def _reserved(
    resource: Monitor, status: MonitorStatus, observed: MonitorObservation, message: str, now: datetime
) -> tuple[MonitorStatus, str]:
    """Status with the next free number, larger than any reserved before and any that a TrainingJob bears; and its name."""
    name = resource.metadata.name
    # The name of one that cannot be read is taken all the same; FeatureSets among them bear no such name.
    names = [job.metadata.name for job in observed.jobs] + [one.name for one in observed.unreadable]
    numbers = {each: number for each in names if (number := number_of(each)) is not None}
    taken = [number for each, number in numbers.items() if children.retrain_name(name, number) == each]
    number = next_number(status.retrains, *taken)
    record = Retraining(number=number, name=children.retrain_name(name, number), message=message, time=now)
    return status.model_copy(update={"retrains": number, "retraining": record}), record.name


def _create(resource: Monitor, status: MonitorStatus) -> tuple[Action, ...]:
    """The create of a TrainingJob that was reserved and never seen; one that was seen is never made again."""
    record, template = status.retraining, resource.spec.retrain.template
    if record is None or record.uid or template is None or resource.spec.suspend:
        return ()
    suspend = resource.spec.retrain.action is not RetrainAction.AUTO
    return (
        CreateOnce(
            children.training_job(resource, template, record.number, record.name, record.message, suspend=suspend)
        ),
    )


def _requeue_after(resource: Monitor, status: MonitorStatus, observed: MonitorObservation) -> timedelta:
    if status.labels is not None and (observed.labels is None or observed.labels.since != status.breach_since):
        return SHORTEST_POLL_INTERVAL
    narrowest = min(parse_duration(signal.window) for signal in resource.spec.signals)
    return min(max(narrowest / POLLS_PER_WINDOW, SHORTEST_POLL_INTERVAL), LONGEST_POLL_INTERVAL)
