"""The gate: may a challenger take the champion's place, judged on holdout rows that neither was trained on.

Both are scored on the same rows, so that their difference is far better known than either figure. Differences are signed
so that better is positive. A model compared with itself is always held: the gate checks itself.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum

from numpy.typing import ArrayLike
from pydantic import Field

from homeostat.documents import TolerantDocument
from homeostat.intervals import figure
from homeostat.signals.comparison import RESAMPLES, SEED, Codes, PairedComparison, compare
from homeostat.tasks import Method, Metric, Task


class RuleKind(StrEnum):
    """How a rule judges."""

    MINIMUM = "minimum"
    MUST_BEAT = "mustBeat"
    NON_INFERIOR = "nonInferior"


class Verdict(StrEnum):
    """What follows from the gate."""

    PROMOTE = "Promote"
    HOLD = "Hold"
    """Not shown to be good enough: the champion stays, and the challenger is not counted as a failure."""
    REJECT = "Reject"
    """Shown to be too bad."""


class RuleOutcome(StrEnum):
    """How one rule went."""

    PASSED = "Passed"
    NOT_SHOWN = "NotShown"
    FAILED = "Failed"
    SKIPPED = "Skipped"


class GateRule(TolerantDocument):
    """One rule of a gate."""

    kind: RuleKind
    metric: str
    bound: float | None = Field(
        None, description="The worst allowed value of a minimum; the margin of a comparison; absent: its default."
    )


class RuleResult(TolerantDocument):
    """How one rule went, with a sentence for people."""

    kind: RuleKind
    metric: str
    outcome: RuleOutcome
    sentence: str


class GateReport(TolerantDocument):
    """The verdict and everything that it rests on."""

    verdict: Verdict
    metrics: tuple[PairedComparison, ...]
    rules: tuple[RuleResult, ...]
    rows: int
    entities: int
    resamples: int = Field(description="Of the bootstrap; 0 where no metric needed it.")
    seed: int


def decide(
    task: Task, rules: Sequence[GateRule], metrics: Sequence[PairedComparison]
) -> tuple[Verdict, tuple[RuleResult, ...]]:
    """The verdict, with one sentence per rule.

    Reject needs proof of harm: a minimum that fails, or an interval that shows the challenger worse. What is merely not
    shown to be better is held.

    Raises:
        ValueError: A minimum without bound, a negative margin, or a rule on a metric that was not measured.
    """
    by_name = {metric.name: metric for metric in metrics}
    results = tuple(_apply(task, rule, by_name) for rule in rules)
    outcomes = {result.outcome for result in results}
    # Exactly equal, row by row, in every metric: the same model. There is nothing to gain, whatever the rules are.
    compared = [metric for metric in metrics if metric.difference is not None]
    if compared and all(metric.lower == metric.upper == 0 for metric in compared):
        return Verdict.HOLD, results
    if RuleOutcome.FAILED in outcomes:
        return Verdict.REJECT, results
    return (Verdict.HOLD if RuleOutcome.NOT_SHOWN in outcomes else Verdict.PROMOTE), results


def _apply(task: Task, rule: GateRule, by_name: Mapping[str, PairedComparison]) -> RuleResult:
    metric = by_name.get(rule.metric)
    if metric is None:
        raise ValueError(
            f"the gate has a {rule.kind} rule on {rule.metric}, which was not measured; "
            f"{task.name} has {', '.join(task.metrics)}"
        )
    judged = _minimum if rule.kind is RuleKind.MINIMUM else _comparison
    outcome, sentence = judged(task.metrics[rule.metric], rule, metric)
    return RuleResult(kind=rule.kind, metric=rule.metric, outcome=outcome, sentence=sentence)


def _minimum(metric: Metric, rule: GateRule, seen: PairedComparison) -> tuple[RuleOutcome, str]:
    if rule.bound is None:
        raise ValueError(f"minimum of {rule.metric} has no value; give the worst allowed one")
    if seen.challenger is None:
        return RuleOutcome.NOT_SHOWN, f"{rule.metric} is not defined on these {seen.rows} rows ({metric.undefined})."
    good = metric.meets(seen.challenger, rule.bound)
    beside = "" if seen.constant is None else f" (a constant prediction: {figure(seen.constant)})"
    sentence = (
        f"{rule.metric} is {figure(seen.challenger)}{beside}, required is {metric.better} {rule.bound:g}: "
        f"{'met' if good else 'not met'}."
    )
    return (RuleOutcome.PASSED if good else RuleOutcome.FAILED), sentence


def _comparison(metric: Metric, rule: GateRule, seen: PairedComparison) -> tuple[RuleOutcome, str]:
    if seen.champion is None and seen.challenger is not None:
        return RuleOutcome.SKIPPED, f"{rule.metric} is not compared: there is no champion yet."
    why = metric.undefined if seen.challenger is None else "fewer than two entities"
    if seen.difference is None or seen.lower is None or seen.upper is None or seen.standard_error is None:
        return RuleOutcome.NOT_SHOWN, f"{rule.metric} cannot be compared on these {seen.rows} rows ({why})."
    beat = rule.kind is RuleKind.MUST_BEAT
    default = 0.0 if beat else 2 * seen.standard_error
    margin = default if rule.bound is None else rule.bound
    if margin < 0:
        raise ValueError(f"margin of {rule.metric} is {margin:g}; give a number that is not negative")
    bound = margin if beat else -margin
    aim = f"better by more than {margin:.4g}" if beat else f"no worse than by {margin:.4g}"
    difference, lower, upper = (figure(one, "+") for one in (seen.difference, seen.lower, seen.upper))
    figures = f"{rule.metric} gains {difference} (95 % {lower} to {upper})"
    if seen.lower > bound:
        return RuleOutcome.PASSED, f"{figures}: shown to be {aim}."
    if seen.upper < min(0.0, bound):
        return RuleOutcome.FAILED, f"{figures}: shown to be worse{'' if beat else f' by more than {margin:.4g}'}."
    return RuleOutcome.NOT_SHOWN, f"{figures}: not shown to be {aim} on {seen.rows} rows."


def judge_gate(
    rules: Sequence[GateRule],
    task: Task,
    labels: ArrayLike,
    challenger: ArrayLike,
    champion: ArrayLike | None,
    entities: Sequence[object] | Codes | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> GateReport:
    """Outputs of both models on the holdout in, report out; the arguments are those of `compare`."""
    metrics = compare(task, labels, challenger, champion, entities, resamples=resamples, seed=seed)
    verdict, results = decide(task, rules, metrics)
    rows = metrics[0].rows
    return GateReport(
        verdict=verdict,
        metrics=metrics,
        rules=results,
        rows=rows,
        entities=rows if entities is None else len(set(entities)),
        resamples=resamples if any(metric.method is Method.BOOTSTRAP for metric in metrics) else 0,
        seed=seed,
    )
