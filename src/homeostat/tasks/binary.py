"""Binary classification: the label is 0 or 1, the output the probability of 1.

Nothing else knows what a binary classifier is.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Final, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field, model_validator

from homeostat.intervals import Estimate, Floats, Z, mean, normal, share
from homeostat.tasks import skill
from homeostat.tasks.protocol import Better, Cohort, Fit, Labels, LabelType, Measured, Method, Metric, mean_of

NAME: Final = "BinaryClassification"
OUTPUT = "probability"

BOUNDARY = 0.5
"""Probability from which on a prediction counts as positive."""

PROBABILITY_FLOOR = 1e-15
"""Probabilities are kept this far from 0, so that one certain error does not make the log loss infinite."""

SCORE_BINS = 100
"""Equal-width bins of the score from 0 to 1."""

CALIBRATION_BINS = 10

ONE_CLASS = "a single class"

Label = Literal[0, 1]
Score = Annotated[float, Field(ge=0, le=1, description="Probability of the positive class.")]
Bin = tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]]


class BinaryMetric(StrEnum):
    """A measure of a binary classifier against real outcomes."""

    AUC = "auc"
    LOG_LOSS = "logloss"
    BRIER = "brier"
    ACCURACY = "accuracy"
    SKILL = "skill"
    CALIBRATION_ERROR = "calibrationError"


def log_losses(labels: Labels, scores: Floats) -> Floats:
    """Log loss of each row, in nats."""
    right = np.clip(np.where(labels, scores, 1 - scores), PROBABILITY_FLOOR, None)
    return np.asarray(-np.log(right), dtype=np.float64)


def brier_losses(labels: Labels, scores: Floats) -> Floats:
    """Squared distance of score and label. Source: G. W. Brier, Monthly Weather Review 78 (1950)."""
    return np.asarray((scores - labels) ** 2, dtype=np.float64)


def correct(labels: Labels, scores: Floats) -> Floats:
    """1 where score and label are on the same side of the boundary, else 0."""
    return np.asarray((scores >= BOUNDARY) == labels, dtype=np.float64)


def auc(labels: Labels, scores: Floats) -> Measured | None:
    """Share of pairs of a positive and a negative row in which the positive one has the higher score; ties count half.

    The influence of a row is how far its placement among the rows of the other class is from the area. Source: E. R. DeLong,
    D. M. DeLong, D. L. Clarke-Pearson, *Comparing the areas under two or more correlated receiver operating characteristic
    curves: a nonparametric approach*, Biometrics 44 (1988).
    """
    order = np.argsort(scores, kind="stable")
    positive = labels[order]
    starts = np.flatnonzero(np.r_[True, np.diff(scores[order]) != 0])  # of groups of equal scores
    goods = np.add.reduceat(positive, starts, dtype=np.float64)
    sizes = np.diff(np.r_[starts, scores.size]).astype(np.float64)
    bads = sizes - goods
    good, bad = float(goods.sum()), float(bads.sum())
    if not good or not bad:
        return None
    beaten = (np.cumsum(bads) - bads / 2) / bad
    beating = 1 - (np.cumsum(goods) - goods / 2) / good
    area = float(goods @ beaten) / good
    groups = np.repeat(np.arange(starts.size), sizes.astype(np.intp))
    placements = np.where(positive, (beaten[groups] - area) * (scores.size / good), 0.0)
    placements += np.where(positive, 0.0, (beating[groups] - area) * (scores.size / bad))
    influence = np.empty_like(placements)
    influence[order] = placements
    return Measured(area, influence)


def calibration(labels: Labels, scores: Floats) -> Measured:
    """Mean distance between score and frequency over ten score bins, weighted by rows, as `calibration_error` of a cohort.

    The influence is the derivative where the distance of no bin is 0. Where one is, the interval is wider than it needs to be,
    and the value too large by chance: see the lower bound of `calibration_error`.
    """
    fine = np.minimum((scores * SCORE_BINS).astype(np.intp), SCORE_BINS - 1)
    gaps = labels - (fine + 0.5) / SCORE_BINS
    bins = fine // (SCORE_BINS // CALIBRATION_BINS)
    sums = np.bincount(bins, weights=gaps, minlength=CALIBRATION_BINS)
    value = float(np.abs(sums).sum()) / labels.size
    return Measured(value, np.asarray(np.sign(sums)[bins] * gaps - value, dtype=np.float64))


METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(BinaryMetric.AUC.value, Better.LARGER, auc, Method.DELONG, ONE_CLASS),
        mean_of(BinaryMetric.LOG_LOSS.value, Better.SMALLER, log_losses),
        mean_of(BinaryMetric.BRIER.value, Better.SMALLER, brier_losses),
        mean_of(BinaryMetric.ACCURACY.value, Better.LARGER, correct),
        Metric(
            BinaryMetric.SKILL.value,
            Better.LARGER,
            lambda labels, scores: skill.measured(log_losses(labels, scores), skill.class_losses(labels)),
            undefined=ONE_CLASS,
        ),
        Metric(BinaryMetric.CALIBRATION_ERROR.value, Better.SMALLER, calibration),
    )
}


class BinaryCohort(Cohort):
    """Sums of the losses, and outcomes by bins of the score."""

    TASK = NAME
    METRICS = METRICS
    PRIMARY = BinaryMetric.LOG_LOSS.value

    task: Literal["BinaryClassification"] = NAME
    positives: int = Field(0, ge=0)
    log_loss_sum: float = Field(0.0, ge=0, description="Over matured predictions, in nats.")
    log_loss_squares: float = Field(0.0, ge=0)
    positive_log_loss_sum: float = Field(0.0, ge=0, description="Of those whose outcome is 1.")
    brier_sum: float = Field(0.0, ge=0)
    brier_squares: float = Field(0.0, ge=0)
    correct: int = Field(0, ge=0, description="Matured predictions with score >= 0.5 exactly where the outcome is 1.")
    score_bins: tuple[Bin, ...] = Field(
        ((0, 0),) * SCORE_BINS, description="[negatives, positives] per equal-width bin of the score from 0 to 1."
    )

    @model_validator(mode="after")
    def _is_coherent(self) -> Self:
        if len(self.score_bins) != SCORE_BINS:
            raise ValueError(f"scoreBins has {len(self.score_bins)} bins; {SCORE_BINS} are needed")
        if self.matured > self.predictions or max(self.positives, self.correct) > self.matured:
            raise ValueError("predictions, matured, positives and correct must each be no more than the one before")
        binned = sum(map(sum, self.score_bins))
        if binned != self.matured:
            raise ValueError(f"scoreBins hold {binned} outcomes, but matured is {self.matured}")
        return self

    def plus(self, other: Self) -> Self:
        """See Cohort."""
        bins = tuple((n + m, p + q) for (n, p), (m, q) in zip(self.score_bins, other.score_bins, strict=True))
        fields = type(self).model_fields.keys() - {"task", "score_bins"}
        sums = {field: getattr(self, field) + getattr(other, field) for field in fields}
        return type(self)(**sums, score_bins=bins)

    def _estimate(self, metric: str) -> Estimate | None:
        return _ESTIMATES[metric](self)


def auc_from_bins(score_bins: Sequence[tuple[int, int]]) -> Estimate | None:
    """AUC from [negatives, positives] per score bin; scores of one bin count as ties. None with a single class.

    Standard error after J. A. Hanley, B. J. McNeil, *The meaning and use of the area under a receiver operating
    characteristic (ROC) curve*, Radiology 143 (1982), with Q1 and Q2 counted from the rating table, not approximated.
    """
    table: Floats = np.asarray(score_bins, dtype=np.float64)
    bad, good = table[:, 0], table[:, 1]
    negatives, positives = float(bad.sum()), float(good.sum())
    if negatives == 0 or positives == 0:
        return None
    below = np.cumsum(bad) - bad
    above = positives - np.cumsum(good)
    area = float(np.sum(good * (below + bad / 2))) / (negatives * positives)
    # Two random positives both above one negative, and one positive above two random negatives.
    q1 = float(np.sum(bad * (above**2 + above * good + good**2 / 3))) / (positives**2 * negatives)
    q2 = float(np.sum(good * (below**2 + below * bad + bad**2 / 3))) / (negatives**2 * positives)
    spread = area * (1 - area) + (positives - 1) * (q1 - area**2) + (negatives - 1) * (q2 - area**2)
    error = math.sqrt(max(0.0, spread) / (negatives * positives))
    return normal(area, error, negatives + positives, least=0.0, most=1.0)


def calibration_error(cohort: BinaryCohort) -> Estimate | None:
    """Mean distance between score and frequency over ten score bins, weighted by rows; None without outcomes.

    Bins of few rows differ from their scores by chance alone; the lower bound has that expected noise taken off.
    """
    table: Floats = np.asarray(cohort.score_bins, dtype=np.float64)
    rows, n = table.sum(axis=1), cohort.matured
    if n == 0:
        return None
    centres = (np.arange(SCORE_BINS) + 0.5) / SCORE_BINS
    groups = (
        np.stack([rows, rows * centres, table[:, 1]])
        .reshape(3, CALIBRATION_BINS, SCORE_BINS // CALIBRATION_BINS)
        .sum(axis=2)
    )
    size, scored, positives = groups[:, groups[0] > 0]
    value = float(np.abs(positives - scored).sum()) / n
    expected = scored / size
    deviations = np.sqrt(size * expected * (1 - expected))
    noise = float(deviations.sum()) * math.sqrt(2 / math.pi) / n
    error = float(np.sqrt(np.sum(deviations**2))) / n
    return Estimate(value, error, max(0.0, value - noise - Z * error), min(1.0, value + Z * error), n)


_ESTIMATES: Mapping[str, Callable[[BinaryCohort], Estimate | None]] = {
    BinaryMetric.AUC.value: lambda c: auc_from_bins(c.score_bins),
    BinaryMetric.LOG_LOSS.value: lambda c: mean(c.log_loss_sum, c.log_loss_squares, c.matured, least=0.0),
    BinaryMetric.BRIER.value: lambda c: mean(c.brier_sum, c.brier_squares, c.matured, least=0.0),
    BinaryMetric.ACCURACY.value: lambda c: share(c.correct, c.matured),
    BinaryMetric.SKILL.value: lambda c: skill.of_classes(
        np.array([c.matured - c.positives, c.positives], dtype=np.float64),
        np.array([c.log_loss_sum - c.positive_log_loss_sum, c.positive_log_loss_sum]),
        c.log_loss_squares,
    ),
    BinaryMetric.CALIBRATION_ERROR.value: calibration_error,
}


class BinaryClassification:
    """See Task."""

    name = NAME
    output = OUTPUT
    label_type = LabelType.ZERO_OR_ONE
    label_form = "0 and 1, or booleans"
    metrics = METRICS
    cohort_type = BinaryCohort

    def joined(self, other: Self) -> Self:  # noqa: ARG002 - models of all trainings are judged alike
        """See Task."""
        return self

    def adopted(self, outputs: Floats, of: Self) -> Floats:  # noqa: ARG002 - as above
        """See Task."""
        return outputs

    def unlearnable(self, labels: Labels) -> str:
        """See Task."""
        classes = np.unique(labels)
        if classes.size > 1:
            return ""
        return f"have label {classes[0]}; a classifier needs both classes: add labels of the other one"

    def fit(self, labels: Labels) -> Fit:  # noqa: ARG002 - the classes are always 0 and 1
        """See Task."""
        return Fit()

    def encode(self, labels: ArrayLike) -> Labels:
        """See Task."""
        return np.asarray(labels, dtype=bool)

    def constant(self, labels: Labels) -> tuple[Labels, Floats]:
        """See Task; the share of the positive ones."""
        return labels, np.full(labels.size, labels.mean())

    def checked(self, outputs: ArrayLike) -> Floats:
        """See Task."""
        scores = np.asarray(outputs, dtype=np.float64)
        if not ((scores >= 0) & (scores <= 1)).all():
            raise ValueError("scores must be probabilities from 0 to 1; give the probability of the positive class")
        return scores

    def binned(self, outputs: Floats) -> list[float]:
        """See Task."""
        return list(outputs.tolist())

    def cohort(self, outputs: ArrayLike, labels: ArrayLike, predictions: int | None = None) -> BinaryCohort:
        """See Task."""
        scores, truth = self.checked(outputs), self.encode(labels)
        bins = np.minimum((scores * SCORE_BINS).astype(np.intp), SCORE_BINS - 1)
        positives = np.bincount(bins[truth], minlength=SCORE_BINS).tolist()
        negatives = np.bincount(bins[~truth], minlength=SCORE_BINS).tolist()
        losses, squares = log_losses(truth, scores), brier_losses(truth, scores)
        return BinaryCohort(
            predictions=truth.size if predictions is None else predictions,
            matured=truth.size,
            positives=int(truth.sum()),
            log_loss_sum=float(losses.sum()),
            log_loss_squares=float((losses**2).sum()),
            positive_log_loss_sum=float(losses[truth].sum()),
            brier_sum=float(squares.sum()),
            brier_squares=float((squares**2).sum()),
            correct=int(correct(truth, scores).sum()),
            score_bins=tuple(zip(negatives, positives, strict=True)),
        )
