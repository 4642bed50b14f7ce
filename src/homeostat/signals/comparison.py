"""Two models on the same rows: every metric of their task, and by how much one is better, with an interval."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from homeostat.documents import TolerantDocument
from homeostat.intervals import Floats, normal
from homeostat.tasks import Labels, Measured, Method, Metric, Task

RESAMPLES = 2000
SEED = 0
_CELLS = 4_000_000
"""Resamples times rows that are held at a time (32 MB each for a handful of arrays)."""

Codes = NDArray[np.intp]
"""A number from 0 for each row's entity."""


class PairedComparison(TolerantDocument):
    """A metric of both models on the same rows; a positive difference is better."""

    name: str
    challenger: float | None = Field(description="None: not defined on these rows (AUC of a single class).")
    champion: float | None = None
    constant: float | None = Field(None, description="Of the constant prediction that is best on these rows.")
    challenger_error: float | None = Field(None, description="Standard error of the challenger's own value.")
    difference: float | None = None
    standard_error: float | None = Field(None, description="Of the difference.")
    lower: float | None = Field(None, description="Of the difference, 95 %.")
    upper: float | None = Field(None, description="Of the difference, 95 %.")
    method: Method | None = Field(None, description="Where the interval comes from.")
    rows: int


def compare(
    task: Task,
    labels: ArrayLike,
    challenger: ArrayLike,
    champion: ArrayLike | None,
    entities: Sequence[object] | Codes | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> tuple[PairedComparison, ...]:
    """Every metric of both models, and their difference with its interval.

    Rows of one entity are not independent: influences are added up, and resamples drawn, entity by entity.

    Args:
        task: What the models predict.
        labels: Outcomes, one per row.
        challenger: Outputs of the challenger on these rows.
        champion: Outputs of the champion on the same rows; None when there is none.
        entities: Entity of each row; None when every row is an entity of its own.
        resamples: Bootstrap resamples, for the metrics that need them.
        seed: Seed of the draws.

    Raises:
        ValueError: No rows, lengths that differ, or outputs that are none of the task.
    """
    truth = task.encode(labels)
    given = [np.asarray(o, dtype=np.float64) for o in (challenger, champion) if o is not None]
    if truth.size == 0 or any(len(o) != truth.size for o in given):
        raise ValueError(f"{truth.size} labels for {[len(o) for o in given]} scores; give one score per labelled row")
    outputs = [task.checked(o) for o in given]
    codes = entity_codes(entities, truth.size)
    found, constant = [], task.constant(truth)
    for metric in task.metrics.values():
        measured = [metric.measure(truth, o) for o in outputs]
        figures: dict[str, object] = {
            "challenger": _value(measured[0]),
            "challenger_error": _own_error(measured[0], codes),
            "constant": _value(metric.measure(*constant)),
        }
        if champion is not None:
            figures["champion"] = _value(measured[1])
            if metric.resampled is None:
                figures |= _by_influence(metric, measured, codes)
            else:
                figures |= _by_bootstrap(metric, measured, truth, outputs, _draws(codes, resamples, seed))
        found.append(PairedComparison.model_validate({"name": metric.name, "rows": truth.size, **figures}))
    return tuple(found)


def entity_codes(entities: Sequence[object] | Codes | None, rows: int) -> Codes:
    """A number from 0 for each row's entity, in the order of their first rows.

    Raises:
        ValueError: There are not as many entities as rows.
    """
    if entities is None:
        return np.arange(rows)
    if len(entities) != rows:
        raise ValueError(f"{len(entities)} entities for {rows} rows; give the entity of each row")
    numbers: dict[object, int] = {}
    return np.array([numbers.setdefault(entity, len(numbers)) for entity in entities], dtype=np.intp)


def _value(measured: Measured | None) -> float | None:
    return None if measured is None else measured.value


def _own_error(measured: Measured | None, codes: Codes) -> float | None:
    """Standard error of one model's value; None where there are no influences."""
    if measured is None or measured.influence is None:
        return None
    return _error(measured.influence, codes)


def _error(influence: Floats, codes: Codes) -> float | None:
    """Standard error of the mean of influences that are added up by entity; None for a single entity."""
    entities = int(codes.max()) + 1
    if entities < 2:
        return None
    sums = np.bincount(codes, weights=influence)
    return math.sqrt(float(np.sum(sums**2)) * entities / (entities - 1)) / codes.size


def _by_influence(metric: Metric, measured: Sequence[Measured | None], codes: Codes) -> dict[str, object]:
    """Difference with a normal interval, from the differences of the influences added up by entity.

    Sources: E. R. DeLong, D. M. DeLong, D. L. Clarke-Pearson, Biometrics 44 (1988), for pairs of models; N. A. Obuchowski,
    *Nonparametric analysis of clustered ROC curve data*, Biometrics 53 (1997), and D. A. Binder, *On the variances of
    asymptotically normal estimators from complex surveys*, International Statistical Review 51 (1983), for sums by entity.
    """
    new, old = measured
    if new is None or old is None or new.influence is None or old.influence is None:
        return {}
    error = _error(metric.gain(new.influence, old.influence), codes)
    if error is None:
        return {}
    interval = normal(metric.gain(new.value, old.value), error, codes.size, least=-math.inf)
    return {
        "difference": interval.value,
        "standard_error": error,
        "lower": interval.lower,
        "upper": interval.upper,
        "method": metric.method,
    }


def _by_bootstrap(
    metric: Metric,
    measured: Sequence[Measured | None],
    truth: Labels,
    outputs: Sequence[Floats],
    draws: Iterator[Floats],
) -> dict[str, object]:
    """Difference with a percentile interval; both models see the same draws.

    Source: B. Efron, R. J. Tibshirani, *An Introduction to the Bootstrap* (1993), chapters 8 and 13.
    """
    new, old = measured
    if new is None or old is None or metric.resampled is None:
        return {}
    gains = np.concatenate([metric.gain(*(metric.resampled(truth, o, w) for o in outputs)) for w in draws])
    usable = gains[np.isfinite(gains)]
    if usable.size < 2:
        return {}
    lower, upper = np.quantile(usable, (0.025, 0.975)).tolist()
    return {
        "difference": metric.gain(new.value, old.value),
        "standard_error": float(np.std(usable, ddof=1)),
        "lower": lower,
        "upper": upper,
        "method": metric.method,
    }


def _draws(codes: Codes, resamples: int, seed: int) -> Iterator[Floats]:
    """How often each row is drawn (resamples by rows), in chunks that fit into memory."""
    rng = np.random.default_rng(seed)
    count = int(codes.max()) + 1
    chunk = max(1, _CELLS // codes.size)
    for first in range(0, resamples, chunk):
        size = min(chunk, resamples - first)
        drawn = rng.integers(count, size=(size, count)) + count * np.arange(size)[:, None]
        yield np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count)[:, codes].astype(np.float64)
