"""The gate: may a challenger take the champion's place, judged on holdout rows that neither was trained on.

Both are scored on the same rows, so that their difference is far better known than either figure. Differences are signed
so that better is positive. A model compared with itself is always held: the gate checks itself.
"""

import math
from collections.abc import Iterator, Sequence
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from homeostat.documents import TolerantDocument
from homeostat.enums import Metric
from homeostat.signals.estimate import Floats, row_losses

RESAMPLES = 2000
SEED = 0
_CELLS = 4_000_000
"""Resamples times rows that are held at a time (32 MB each for a handful of arrays)."""


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
    metric: Metric
    bound: float | None = Field(
        None, description="The worst allowed value of a minimum; the margin of a comparison; absent: its default."
    )


class PairedComparison(TolerantDocument):
    """A metric of both models on the same rows; a positive difference is better."""

    name: Metric
    challenger: float | None = Field(description="None: not defined on these rows (AUC of a single class).")
    champion: float | None = None
    difference: float | None = None
    standard_error: float | None = Field(None, description="Of the difference.")
    lower: float | None = Field(None, description="Of the difference, 95 %.")
    upper: float | None = Field(None, description="Of the difference, 95 %.")
    rows: int


class RuleResult(TolerantDocument):
    """How one rule went, with a sentence for people."""

    kind: RuleKind
    metric: Metric
    outcome: RuleOutcome
    sentence: str


class GateReport(TolerantDocument):
    """The verdict and everything that it rests on."""

    verdict: Verdict
    metrics: tuple[PairedComparison, ...]
    rules: tuple[RuleResult, ...]
    rows: int
    entities: int
    resamples: int
    seed: int


def _weighted_auc(truth: NDArray[np.bool_], scores: Floats, weights: Floats) -> Floats:
    """AUC under each row of weights (weightings by rows): the rank statistic over groups of tied scores."""
    order = np.argsort(scores, kind="stable")
    ordered = weights[:, order]
    starts = np.flatnonzero(np.r_[True, np.diff(scores[order]) != 0])
    positives = np.add.reduceat(ordered * truth[order], starts, axis=1)
    negatives = np.add.reduceat(ordered * ~truth[order], starts, axis=1)
    beaten = np.cumsum(negatives, axis=1) - negatives / 2
    pairs = positives.sum(axis=1) * negatives.sum(axis=1)
    with np.errstate(invalid="ignore"):  # 0/0 where a resample holds a single class: NaN says so
        return np.asarray((positives * beaten).sum(axis=1) / pairs, dtype=np.float64)


def _weighted(metric: Metric, labels: NDArray[np.bool_], scores: Floats, weights: Floats) -> Floats:
    if metric is Metric.AUC:
        return _weighted_auc(labels, scores, weights)
    return np.asarray(weights @ row_losses(metric, labels, scores) / weights.sum(axis=1), dtype=np.float64)


def paired_bootstrap(
    labels: ArrayLike,
    challenger: ArrayLike,
    champion: ArrayLike | None,
    entities: Sequence[object] | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> tuple[PairedComparison, ...]:
    """Every metric of both models, and their difference with a percentile interval.

    Whole entities are drawn, because rows of one customer are not independent; both models see the same draws.
    Source: B. Efron, R. J. Tibshirani, *An Introduction to the Bootstrap* (1993), chapters 8 and 13.

    Args:
        labels: Outcomes, 0 or 1, one per row.
        challenger: Scores (probabilities) of the challenger on these rows.
        champion: Scores of the champion on the same rows; None when there is none.
        entities: Entity of each row; None when every row is an entity of its own.
        resamples: Bootstrap resamples.
        seed: Seed of the draws.

    Raises:
        ValueError: No rows, lengths that differ, or scores that are no probabilities.
    """
    truth = np.asarray(labels, dtype=bool)
    scores = [np.asarray(s, dtype=np.float64) for s in (challenger, champion) if s is not None]
    if truth.size == 0 or any(s.shape != truth.shape for s in scores):
        raise ValueError(f"{truth.size} labels for {[s.size for s in scores]} scores; give one score per labelled row")
    if not all(((s >= 0) & (s <= 1)).all() for s in scores):
        raise ValueError("scores must be probabilities from 0 to 1; give the probability of the positive class")
    once = np.ones((1, truth.size))
    points = {m: [float(_weighted(m, truth, s, once)[0]) for s in scores] for m in Metric}
    if champion is None:
        return tuple(PairedComparison(name=m, challenger=_defined(points[m][0]), rows=truth.size) for m in Metric)
    draws = _differences(truth, scores[0], scores[1], _draws(_codes(entities, truth.size), resamples, seed))
    return tuple(_compared(m, points[m], draws[m], truth.size) for m in Metric)


def _codes(entities: Sequence[object] | None, rows: int) -> NDArray[np.intp]:
    """A number from 0 for each row's entity."""
    if entities is None:
        return np.arange(rows)
    if len(entities) != rows:
        raise ValueError(f"{len(entities)} entities for {rows} rows; give the entity of each row")
    numbers: dict[object, int] = {}
    return np.array([numbers.setdefault(entity, len(numbers)) for entity in entities], dtype=np.intp)


def _draws(codes: NDArray[np.intp], resamples: int, seed: int) -> Iterator[Floats]:
    """How often each row is drawn (resamples by rows), in chunks that fit into memory."""
    rng = np.random.default_rng(seed)
    count = int(codes.max()) + 1
    chunk = max(1, _CELLS // codes.size)
    for first in range(0, resamples, chunk):
        size = min(chunk, resamples - first)
        drawn = rng.integers(count, size=(size, count)) + count * np.arange(size)[:, None]
        yield np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count)[:, codes].astype(np.float64)


def _differences(
    truth: NDArray[np.bool_], challenger: Floats, champion: Floats, draws: Iterator[Floats]
) -> dict[Metric, Floats]:
    """Signed difference of each metric in each resample."""
    parts: dict[Metric, list[Floats]] = {metric: [] for metric in Metric}
    for weights in draws:
        for metric in Metric:
            gain = _weighted(metric, truth, challenger, weights) - _weighted(metric, truth, champion, weights)
            parts[metric].append(gain if metric.larger_is_better else -gain)
    return {metric: np.concatenate(part) for metric, part in parts.items()}


def _compared(metric: Metric, points: list[float], draws: Floats, rows: int) -> PairedComparison:
    usable = draws[np.isfinite(draws)]
    new, old = points
    if not math.isfinite(new) or usable.size < 2:
        return PairedComparison(name=metric, challenger=_defined(new), champion=_defined(old), rows=rows)
    lower, upper = np.quantile(usable, (0.025, 0.975)).tolist()
    return PairedComparison(
        name=metric,
        challenger=new,
        champion=old,
        difference=new - old if metric.larger_is_better else old - new,
        standard_error=float(np.std(usable, ddof=1)),
        lower=lower,
        upper=upper,
        rows=rows,
    )


def _defined(value: float) -> float | None:
    return value if math.isfinite(value) else None


def decide(rules: Sequence[GateRule], metrics: Sequence[PairedComparison]) -> tuple[Verdict, tuple[RuleResult, ...]]:
    """The verdict, with one sentence per rule.

    Reject needs proof of harm: a minimum that fails, or an interval that shows the challenger worse. What is merely not
    shown to be better is held.

    Raises:
        ValueError: A minimum without bound, a negative margin, or a rule on a metric that was not measured.
    """
    by_name = {metric.name: metric for metric in metrics}
    results = tuple(_apply(rule, by_name) for rule in rules)
    outcomes = {result.outcome for result in results}
    # Exactly equal under every resample and metric: the same model. There is nothing to gain, whatever the rules are.
    compared = [metric for metric in metrics if metric.difference is not None]
    if compared and all(metric.lower == metric.upper == 0 for metric in compared):
        return Verdict.HOLD, results
    if RuleOutcome.FAILED in outcomes:
        return Verdict.REJECT, results
    return (Verdict.HOLD if RuleOutcome.NOT_SHOWN in outcomes else Verdict.PROMOTE), results


def _apply(rule: GateRule, by_name: dict[Metric, PairedComparison]) -> RuleResult:
    metric = by_name.get(rule.metric)
    if metric is None:
        raise ValueError(f"the gate has a {rule.kind} rule on {rule.metric}, which was not measured")
    outcome, sentence = _minimum(rule, metric) if rule.kind is RuleKind.MINIMUM else _comparison(rule, metric)
    return RuleResult(kind=rule.kind, metric=rule.metric, outcome=outcome, sentence=sentence)


def _minimum(rule: GateRule, metric: PairedComparison) -> tuple[RuleOutcome, str]:
    if rule.bound is None:
        raise ValueError(f"minimum of {rule.metric} has no value; give the worst allowed one")
    if metric.challenger is None:
        return RuleOutcome.NOT_SHOWN, f"{rule.metric} is not defined on these {metric.rows} rows (a single class)."
    good = metric.challenger >= rule.bound if rule.metric.larger_is_better else metric.challenger <= rule.bound
    side = "at least" if rule.metric.larger_is_better else "at most"
    sentence = (
        f"{rule.metric} is {metric.challenger:.4f}, required is {side} {rule.bound:g}: {'met' if good else 'not met'}."
    )
    return (RuleOutcome.PASSED if good else RuleOutcome.FAILED), sentence


def _comparison(rule: GateRule, metric: PairedComparison) -> tuple[RuleOutcome, str]:
    if metric.champion is None and metric.challenger is not None:
        return RuleOutcome.SKIPPED, f"{rule.metric} is not compared: there is no champion yet."
    if metric.difference is None or metric.lower is None or metric.upper is None or metric.standard_error is None:
        return RuleOutcome.NOT_SHOWN, f"{rule.metric} cannot be compared on these {metric.rows} rows (a single class)."
    beat = rule.kind is RuleKind.MUST_BEAT
    default = 0.0 if beat else 2 * metric.standard_error
    margin = default if rule.bound is None else rule.bound
    if margin < 0:
        raise ValueError(f"margin of {rule.metric} is {margin:g}; give a number that is not negative")
    bound = margin if beat else -margin
    aim = f"better by more than {margin:.4g}" if beat else f"no worse than by {margin:.4g}"
    figures = f"{rule.metric} gains {metric.difference:+.4f} (95 % {metric.lower:+.4f} to {metric.upper:+.4f})"
    if metric.lower > bound:
        return RuleOutcome.PASSED, f"{figures}: shown to be {aim}."
    if metric.upper < min(0.0, bound):
        return RuleOutcome.FAILED, f"{figures}: shown to be worse{'' if beat else f' by more than {margin:.4g}'}."
    return RuleOutcome.NOT_SHOWN, f"{figures}: not shown to be {aim} on {metric.rows} rows."


def judge_gate(
    rules: Sequence[GateRule],
    labels: ArrayLike,
    challenger: ArrayLike,
    champion: ArrayLike | None,
    entities: Sequence[object] | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> GateReport:
    """Scores of both models on the holdout in, report out; the arguments are those of `paired_bootstrap`."""
    metrics = paired_bootstrap(labels, challenger, champion, entities, resamples=resamples, seed=seed)
    verdict, results = decide(rules, metrics)
    rows = metrics[0].rows
    return GateReport(
        verdict=verdict,
        metrics=metrics,
        rules=results,
        rows=rows,
        entities=int(_codes(entities, rows).max()) + 1,
        resamples=resamples,
        seed=seed,
    )
