"""Regression: label and output are numbers."""

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field, model_validator

from homeostat.intervals import Estimate, Floats, Z, mean, normal
from homeostat.tasks import skill
from homeostat.tasks.protocol import Better, Cohort, Fit, Labels, LabelType, Measured, Method, Metric, Units, mean_of

NAME: Final = "Regression"
OUTPUT = "prediction"

GROWTH = 1.02
"""Ratio of the bounds of a bin of absolute errors: a median is known to 1 %."""

_LOG_GROWTH = math.log(GROWTH)


def _errors(labels: Labels, outputs: Floats) -> Floats:
    return np.asarray(outputs - labels, dtype=np.float64)


def rmse(labels: Labels, outputs: Floats) -> Measured:
    """Root of the mean squared error; the influence is the derivative of the root (delta method)."""
    squares = _errors(labels, outputs) ** 2
    value = math.sqrt(squares.mean())
    influence = (squares - squares.mean()) / (2 * value) if value else np.zeros_like(squares)
    return Measured(value, influence)


def r2(labels: Labels, outputs: Floats) -> Measured | None:
    """1 - mean squared error / variance of the labels; the influence is the derivative of the ratio (delta method)."""
    squares, around = _errors(labels, outputs) ** 2, (labels - labels.mean()) ** 2
    variance = float(around.mean())
    if variance == 0:
        return None
    ratio = float(squares.mean()) / variance
    return Measured(1 - ratio, (ratio * around - squares) / variance)


def mape(labels: Labels, outputs: Floats) -> Measured | None:
    """Mean of |error / label|, where no label is 0."""
    if (labels == 0).any():
        return None
    rows = np.abs(_errors(labels, outputs) / labels)
    return Measured(float(rows.mean()), rows - rows.mean())


def _weighted_mean_error(labels: Labels, outputs: Floats, weights: Floats) -> Floats:
    return np.asarray(weights @ _errors(labels, outputs) / weights.sum(axis=1), dtype=np.float64)


def _weighted_median(labels: Labels, outputs: Floats, weights: Floats) -> Floats:
    """Median absolute error of the rows, each taken as often as its weight says."""
    errors = np.abs(_errors(labels, outputs))
    order = np.argsort(errors)
    below = np.cumsum(weights[:, order], axis=1)
    half = below[:, -1:] / 2
    low, high = (below < half).sum(axis=1), (below <= half).sum(axis=1)
    return np.asarray((errors[order][low] + errors[order][high]) / 2, dtype=np.float64)


def bias(labels: Labels, outputs: Floats) -> Measured:
    """Mean of output - label.

    Its distance from 0 has no derivative at 0: differences of it are bootstrapped.
    """
    return Measured(float(_errors(labels, outputs).mean()))


def median_absolute_error(labels: Labels, outputs: Floats) -> Measured:
    """Median of |output - label|; its influence would need the density of the errors there, so that it is bootstrapped."""
    return Measured(float(np.median(np.abs(_errors(labels, outputs)))))


METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("rmse", Better.SMALLER, rmse),
        mean_of("mae", Better.SMALLER, lambda labels, outputs: np.abs(_errors(labels, outputs))),
        Metric(
            "medianAbsoluteError",
            Better.SMALLER,
            median_absolute_error,
            Method.BOOTSTRAP,
            resampled=_weighted_median,
        ),
        Metric("r2", Better.LARGER, r2, undefined="a single value"),
        Metric("bias", Better.NEARER_ZERO, bias, Method.BOOTSTRAP, resampled=_weighted_mean_error),
        Metric(skill.NAME, Better.LARGER, r2, undefined="a single value"),
        Metric("mape", Better.SMALLER, mape, undefined="which one or more are 0"),
    )
}

SUMS = (
    "error_sum",
    "error_squares",
    "error_fourths",
    "absolute_sum",
    "label_sum",
    "label_squares",
    "label_cubes",
    "label_fourths",
    "squares_by_label",
    "squares_by_label_squares",
    "relative_sum",
    "relative_squares",
)


class RegressionCohort(Cohort):
    """Sums over errors and labels in units of the labels of training, and bins of absolute errors.

    Raw powers of large labels would cancel out in double precision; in these units they do not.
    """

    TASK = NAME
    METRICS = METRICS
    PRIMARY = "rmse"

    task: Literal["Regression"] = NAME
    origin: float = Field(0.0, allow_inf_nan=False, description="Zero of the labels in these sums.")
    scale: float = Field(1.0, gt=0, allow_inf_nan=False, description="Unit of labels and errors in these sums.")
    error_sum: float = 0.0
    error_squares: float = Field(0.0, ge=0)
    error_fourths: float = Field(0.0, ge=0)
    absolute_sum: float = Field(0.0, ge=0)
    label_sum: float = 0.0
    label_squares: float = Field(0.0, ge=0)
    label_cubes: float = 0.0
    label_fourths: float = Field(0.0, ge=0)
    squares_by_label: float = Field(0.0, description="Of squared error times label.")
    squares_by_label_squares: float = Field(0.0, ge=0, description="Of squared error times squared label.")
    zero_labels: int = Field(0, ge=0, description="Outcomes of 0, on which a relative error is not defined.")
    relative_sum: float = Field(0.0, ge=0, description="Of |error / label| over the others.")
    relative_squares: float = Field(0.0, ge=0)
    exact: int = Field(0, ge=0, description="Outcomes without error.")
    error_bins: dict[int, Annotated[int, Field(gt=0)]] = Field(
        default_factory=dict,
        description=f"Outcomes by k: the absolute error is above {GROWTH}^(k-1), at most {GROWTH}^k.",
    )

    @model_validator(mode="after")
    def _is_coherent(self) -> Self:
        if self.matured > self.predictions:
            raise ValueError(f"matured is {self.matured}, but there are {self.predictions} predictions")
        binned = self.exact + sum(self.error_bins.values())
        if binned != self.matured:
            raise ValueError(f"errorBins and exact hold {binned} outcomes, but matured is {self.matured}")
        return self

    def plus(self, other: Self) -> Self:
        """See Cohort.

        Raises:
            ValueError: They have different units.
        """
        if not self.predictions or not other.predictions:
            return self if self.predictions else other
        if (self.origin, self.scale) != (other.origin, other.scale):
            raise ValueError("the cohorts are of different trainings: their sums have different units")
        counts = ("predictions", "matured", "zero_labels", "exact")
        return type(self)(
            origin=self.origin,
            scale=self.scale,
            **{field: getattr(self, field) + getattr(other, field) for field in (*counts, *SUMS)},
            error_bins=dict(sorted((Counter(self.error_bins) + Counter(other.error_bins)).items())),
        )

    def _estimate(self, metric: str) -> Estimate | None:
        return _ESTIMATES[metric](self)


def _in_units(found: Estimate, scale: float) -> Estimate:
    return Estimate(
        found.value * scale, found.standard_error * scale, found.lower * scale, found.upper * scale, found.samples
    )


def _rmse(c: RegressionCohort) -> Estimate:
    squared = mean(c.error_squares, c.error_fourths, c.matured)
    root = math.sqrt(squared.value)
    error = squared.standard_error / (2 * root) if root else 0.0
    return _in_units(normal(root, error, c.matured, least=0.0), c.scale)


def _median(c: RegressionCohort) -> Estimate:
    """The median with the bounds of the order statistics around it; within a bin, errors are taken as evenly spread.

    Sources: C. Masson, J. E. Rim, H. K. Lee, *DDSketch*, PVLDB 12 (2019), for the bins; W. J. Conover, *Practical
    Nonparametric Statistics* (1999), section 3.2, for the interval.
    """
    n, keys = c.matured, sorted(c.error_bins)
    ranks = np.cumsum([c.exact, *(c.error_bins[key] for key in keys)])

    def at(rank: float) -> float:
        """The error of a rank from 1 to n."""
        wanted = min(max(rank, 1), n)
        index = int(np.searchsorted(ranks, wanted))
        if index == 0:
            return 0.0
        key = keys[index - 1]
        part = (wanted - float(ranks[index - 1]) - 0.5) / c.error_bins[key]
        return math.exp(_LOG_GROWTH * (key - 1 + part))

    half, spread = n / 2, Z * math.sqrt(n) / 2
    value = (at(math.ceil(half)) + at(math.floor(half) + 1)) / 2
    lower, upper = at(math.ceil(half - spread)), at(math.floor(half + spread) + 1)
    return _in_units(Estimate(value, (upper - lower) / (2 * Z), lower, upper, n), c.scale)


def _r2(c: RegressionCohort) -> Estimate | None:
    n = c.matured
    centre, squares = c.label_sum / n, c.label_squares / n
    variance = squares - centre**2
    if variance <= 0:
        return None
    by_error = c.error_squares / n
    ratio = by_error / variance
    fourth = c.label_fourths / n - 4 * centre * c.label_cubes / n + 6 * centre**2 * squares - 3 * centre**4
    both = (c.squares_by_label_squares - 2 * centre * c.squares_by_label + centre**2 * c.error_squares) / n
    spread = max(0.0, c.error_fourths / n - 2 * ratio * both + ratio**2 * fourth) / variance**2
    return normal(1 - ratio, math.sqrt(spread / (n - 1)), n, least=-math.inf, most=1.0)


def _mape(c: RegressionCohort) -> Estimate | None:
    return None if c.zero_labels else mean(c.relative_sum, c.relative_squares, c.matured, least=0.0)


_ESTIMATES: Mapping[str, Callable[[RegressionCohort], Estimate | None]] = {
    "rmse": _rmse,
    "mae": lambda c: _in_units(mean(c.absolute_sum, c.error_squares, c.matured, least=0.0), c.scale),
    "medianAbsoluteError": _median,
    "r2": _r2,
    "bias": lambda c: _in_units(mean(c.error_sum, c.error_squares, c.matured), c.scale),
    skill.NAME: _r2,
    "mape": _mape,
}


@dataclass(frozen=True)
class Regression:
    """See Task.

    Args:
        origin: About the mean of the labels of training.
        scale: About their standard deviation.
    """

    origin: float = 0.0
    scale: float = 1.0
    name = NAME
    output = OUTPUT
    label_type = LabelType.NUMBER
    label_form = "finite numbers"
    metrics = METRICS
    cohort_type = RegressionCohort

    def joined(self, other: Self) -> Self:  # noqa: ARG002 - models of all trainings are judged alike
        """See Task."""
        return self

    def adopted(self, outputs: Floats, of: Self) -> Floats:  # noqa: ARG002 - as above
        """See Task."""
        return outputs

    def unlearnable(self, labels: Labels) -> str:
        """See Task."""
        values = np.unique(labels)
        return (
            ""
            if values.size > 1
            else f"have label {values[0]}; a regression needs different ones: add labels of others"
        )

    def fit(self, labels: Labels) -> Fit:
        """See Task."""
        numbers = self.encode(labels)
        return Fit(units=Units(origin=float(numbers.mean()), scale=float(numbers.std()) or 1.0))

    def encode(self, labels: ArrayLike) -> Labels:
        """See Task."""
        return np.asarray(labels, dtype=np.float64)

    def constant(self, labels: Labels) -> tuple[Labels, Floats]:
        """See Task; the mean of the labels."""
        return labels, np.full(labels.size, labels.mean())

    def checked(self, outputs: ArrayLike) -> Floats:
        """See Task."""
        numbers = np.asarray(outputs, dtype=np.float64)
        if numbers.ndim != 1 or not np.isfinite(numbers).all():
            raise ValueError("outputs must be finite numbers, one per row")
        return numbers

    def binned(self, outputs: Floats) -> list[float]:
        """See Task."""
        return list(outputs.tolist())

    def cohort(self, outputs: ArrayLike, labels: ArrayLike, predictions: int | None = None) -> RegressionCohort:
        """See Task."""
        truth, given = self.encode(labels), self.checked(outputs)
        error, label = (given - truth) / self.scale, (truth - self.origin) / self.scale
        size, squares = np.abs(error), error**2
        relative = np.abs((given - truth)[truth != 0] / truth[truth != 0])
        keys = np.ceil(np.log(size[size > 0]) / _LOG_GROWTH).astype(np.int64)
        rows = (
            error, squares, squares**2, size, label, label**2, label**3, label**4, squares * label, squares * label**2,
            relative, relative**2,
        )  # fmt: skip
        sums: dict[str, Any] = {field: float(row.sum()) for field, row in zip(SUMS, rows, strict=True)}
        return RegressionCohort(
            predictions=truth.size if predictions is None else predictions,
            matured=truth.size,
            origin=self.origin,
            scale=self.scale,
            **sums,
            zero_labels=int((truth == 0).sum()),
            exact=int((size == 0).sum()),
            error_bins=dict(sorted(Counter(keys.tolist()).items())),
        )
