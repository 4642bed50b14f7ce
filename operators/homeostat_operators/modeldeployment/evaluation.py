"""The gate's part of a rollout: an evaluation against the current champion, and what its verdict leads to."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import assert_never

from homeostat import tasks
from homeostat.api.common import decimal
from homeostat.api.v1alpha1.gate import Gate, GateRecord, MetricComparison
from homeostat.api.v1alpha1.modeldeployment import (
    Candidate,
    EvaluationFailure,
    ModelDeployment,
    ModelDeploymentStatus,
    Outcome,
)
from homeostat.engines.runs import DEADLINE_EXCEEDED, EVALUATE, run_name
from homeostat.reconcile.pods import OUT_OF_MEMORY
from homeostat.runs import EvaluateResult
from homeostat.signals.gate import GateReport, RuleOutcome, Verdict
from homeostat_operators.core.runs import (
    Decision,
    Failed,
    GiveUpNumber,
    RecordedRun,
    Reserve,
    Running,
    RunPolicy,
    Succeeded,
    decide,
    next_number,
)
from homeostat_operators.modeldeployment import children
from homeostat_operators.modeldeployment.candidates import finish
from homeostat_operators.modeldeployment.observed import ModelDeploymentObservation

REMEDIES = {
    OUT_OF_MEMORY: "raise spec.promotion.evaluation.resources.limits.memory, or train with a smaller "
    "spec.dataset.holdout.percent or rows of a shorter window"
}
POLICY = RunPolicy(
    deadline=timedelta(seconds=children.EVALUATE_DEADLINE_SECONDS),
    attempts=3,
    remedies=REMEDIES,
)

_EVER = datetime.min.replace(tzinfo=UTC)
"""For an end that is no run's own: what is left of the run is stopped at once."""


def is_open(gate: Gate) -> bool:
    """Whether the gate has no rules: nothing is evaluated, and every version passes."""
    return not (gate.minimum or gate.must_beat or gate.non_inferior)


def champion_of(status: ModelDeploymentStatus) -> str:
    """Digest of the champion; empty when there is none."""
    return status.stable.digest if status.stable else ""


def judge(
    resource: ModelDeployment, status: ModelDeploymentStatus, observed: ModelDeploymentObservation, now: datetime
) -> ModelDeploymentStatus:
    """Status after the gate's part: a number reserved, a verdict read, or nothing new."""
    candidate = status.candidate
    if candidate is None or candidate.gate_passed:
        return status
    if not is_open(resource.spec.promotion.gate):
        return _evaluated(resource, status, candidate, observed, now)
    record = GateRecord(
        version=candidate.version,
        champion=status.stable.version if status.stable else "",
        verdict=Verdict.PROMOTE.value,
        messages=["The gate has no rules: nothing was evaluated."],
        time=now,
    )
    return _passed(status, candidate, record, now)


def decision_on(
    resource: ModelDeployment, status: ModelDeploymentStatus, observed: ModelDeploymentObservation, now: datetime
) -> Decision[EvaluateResult]:
    """What to do about the evaluation of a candidate that is not through the gate; none is due without one."""
    due = None if unknown_metrics(resource, status, observed) else _due(status.candidate, now)
    policy = replace(POLICY, due=due)
    return decide(recorded_evaluation(resource, status), observed.evaluation, policy, resource.metadata.uid, now)


def unknown_metrics(
    resource: ModelDeployment, status: ModelDeploymentStatus, observed: ModelDeploymentObservation
) -> str:
    """A sentence on the metrics of the gate that the task of a candidate before it does not have; empty if it has all.

    No evaluation could pass or fail them, so that none is started until the gate is corrected.
    """
    candidate, gate = status.candidate, resource.spec.promotion.gate
    if candidate is None or candidate.gate_passed or candidate.evaluation:
        return ""
    version = observed.available(candidate.version, candidate.digest)
    named = [rule.metric for rule in gate.minimum] + [rule.metric for rule in (*gate.must_beat, *gate.non_inferior)]
    return tasks.lacking(tasks.made(version.task), named) if version else ""


def _due(candidate: Candidate | None, now: datetime) -> datetime | None:
    """When the next evaluation may start; None: none is needed."""
    if candidate is None or candidate.gate_passed:
        return None
    return retry_time(candidate) or now


def retry_time(candidate: Candidate) -> datetime | None:
    """When an evaluation that failed is tried again; None: none failed."""
    failure = candidate.last_evaluation_failure
    return None if failure is None else failure.time + POLICY.pause(candidate.evaluation_failures)


def recorded_evaluation(resource: ModelDeployment, status: ModelDeploymentStatus) -> RecordedRun:
    """The newest evaluation as the status has it; one against a champion that has changed since has ended."""
    candidate = status.candidate
    if candidate is None or candidate.gate_passed or candidate.evaluation == 0:
        failures = candidate.evaluation_failures if candidate else 0
        failure = candidate.last_evaluation_failure if candidate else None
        is_late = failure is not None and failure.reason == DEADLINE_EXCEEDED
        return RecordedRun(status.evaluations, ended=_end_of_newest(status), failures=failures, stopped=is_late)
    is_stale = candidate.champion_digest != champion_of(status)
    return RecordedRun(
        number=candidate.evaluation,
        name=run_name(resource, EVALUATE, candidate.evaluation),
        uid=candidate.evaluation_uid,
        ended=_EVER if is_stale else None,
        failures=candidate.evaluation_failures,
    )


def _end_of_newest(status: ModelDeploymentStatus) -> datetime:
    """When the newest evaluation ended; `_EVER` for one that was given up because a newer version took its place."""
    candidate, history = status.candidate, status.history
    if candidate is None:
        return history[0].time if history else _EVER
    if candidate.gate_passed:
        return candidate.since
    return candidate.last_evaluation_failure.time if candidate.last_evaluation_failure else _EVER


def _evaluated(
    resource: ModelDeployment,
    status: ModelDeploymentStatus,
    candidate: Candidate,
    observed: ModelDeploymentObservation,
    now: datetime,
) -> ModelDeploymentStatus:
    """Status after a look at the candidate's evaluation."""
    decision = decision_on(resource, status, observed, now)
    match decision:
        case Succeeded(result):
            return _apply(resource, status, candidate, result.report, now)
        case Failed():
            return _failed(resource, status, candidate, decision, now)
        case GiveUpNumber(number) | Reserve(number):
            return _reserve(status, candidate, number)
        case Running(state):
            # While it goes on, its uid tells an evaluation that was deleted from one that never was.
            running = candidate.model_copy(update={"evaluation_uid": state.uid})
            return status.model_copy(update={"candidate": running})
        case _:  # it waits for a stray, or cannot be read; the launch follows from the status
            return status


def _failed(
    resource: ModelDeployment,
    status: ModelDeploymentStatus,
    candidate: Candidate,
    failed: Failed,
    now: datetime,
) -> ModelDeploymentStatus:
    """Status after a failed evaluation: the next one follows after a pause, or the rollout ends."""
    failures = candidate.evaluation_failures + 1
    if failed.permanent:
        return finish(resource, status, Outcome.EVALUATION_FAILED, f"{failed.message}.", now)
    if failed.exhausted:
        reason = f"{failures} evaluations of version {candidate.version} failed, the last one: {failed.message}."
        return finish(resource, status, Outcome.EVALUATION_FAILED, reason, now)
    failure = EvaluationFailure(reason=failed.reason[:63], message=failed.message, time=now)
    ended = {"evaluation": 0, "evaluation_uid": "", "evaluation_failures": failures, "last_evaluation_failure": failure}
    return status.model_copy(update={"candidate": candidate.model_copy(update=ended)})


def _reserve(status: ModelDeploymentStatus, candidate: Candidate, number: int) -> ModelDeploymentStatus:
    number = next_number(status.evaluations, number - 1)
    update = {"evaluation": number, "evaluation_uid": "", "champion_digest": champion_of(status)}
    return status.model_copy(update={"evaluations": number, "candidate": candidate.model_copy(update=update)})


def _apply(
    resource: ModelDeployment,
    status: ModelDeploymentStatus,
    candidate: Candidate,
    report: GateReport,
    now: datetime,
) -> ModelDeploymentStatus:
    record = _record(status, candidate, report, now)
    status = status.model_copy(update={"gate": record})
    match report.verdict:
        case Verdict.PROMOTE:
            return _passed(status, candidate, record, now)
        case Verdict.HOLD:
            return finish(resource, status, Outcome.HELD, _grounds(report), now)
        case Verdict.REJECT:
            return finish(resource, status, Outcome.REJECTED, _grounds(report), now)
        case _:
            assert_never(report.verdict)


def _passed(
    status: ModelDeploymentStatus, candidate: Candidate, record: GateRecord, now: datetime
) -> ModelDeploymentStatus:
    # The deadline of a rollout counts from here, not from when the version was first seen.
    rolling = candidate.model_copy(update={"gate_passed": True, "champion_digest": champion_of(status), "since": now})
    return status.model_copy(update={"gate": record, "candidate": rolling})


def _grounds(report: GateReport) -> str:
    sentences = [r.sentence for r in report.rules if r.outcome in {RuleOutcome.FAILED, RuleOutcome.NOT_SHOWN}]
    return " ".join(sentences) or "Challenger and champion are equal on every resample: there is nothing to gain."


def _record(status: ModelDeploymentStatus, candidate: Candidate, report: GateReport, now: datetime) -> GateRecord:
    return GateRecord(
        version=candidate.version,
        champion=status.stable.version if status.stable else "",
        verdict=report.verdict.value,
        rows=report.rows,
        metrics=[
            MetricComparison(
                name=metric.name,
                challenger=decimal(metric.challenger),
                champion=_optional(metric.champion),
                constant=_optional(metric.constant),
                difference=_optional(metric.difference),
                lower=_optional(metric.lower),
                upper=_optional(metric.upper),
            )
            for metric in report.metrics
            if metric.challenger is not None
        ],
        messages=[rule.sentence for rule in report.rules],
        time=now,
    )


def _optional(value: float | None) -> str | None:
    return None if value is None else decimal(value)


def verdict_tag(resource: ModelDeployment, record: GateRecord, dataset: str, champion: str) -> tuple[str, str]:
    """Key and value of the tag that records a verdict on the registered version.

    Args:
        resource: Whose gate it is: a model may pass one gate and fail another.
        record: The verdict.
        dataset: Digest of the dataset whose holdout it was reached on; a verdict is stale when it or the champion changed.
        champion: Digest of the champion; empty: there was none.
    """
    value = {"verdict": record.verdict, "champion": champion, "dataset": dataset}
    return f"homeostat.gate.{resource.metadata.name}", json.dumps(value, sort_keys=True)
