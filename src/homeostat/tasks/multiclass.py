"""Multiclass classification: the label is one of the classes that training saw, the output a probability for each.

A class that training never saw is one more class, of probability 0: such outcomes are errors in every metric, and a cohort counts
and names them.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, model_validator

from homeostat.intervals import Estimate, Floats, mean, normal, share
from homeostat.tasks import skill
from homeostat.tasks.protocol import Better, Cohort, Fit, Labels, LabelType, Measured, Metric, mean_of

NAME: Final = "MulticlassClassification"
OUTPUT = "probabilities"
MOST_CLASSES = 1000
UNSEEN = -1
"""Code of a class that training never saw."""

PROBABILITY_FLOOR = 1e-15
"""Probabilities are kept this far from 0, so that one certain error does not make the log loss infinite."""

SUM_TOLERANCE = 1e-3
"""How far the probabilities of a row may be from adding up to 1: models compute in single precision."""

NAMED_CLASSES, NAME_LENGTH = 20, 100
"""Classes that training never saw, and characters of each, that a cohort names at most."""

OTHERS = "(others)"
"""Takes the counts of the classes beyond those."""

Confusion = dict[tuple[int, int], int]
"""Rows by the codes of label and prediction."""


def log_losses(labels: Labels, outputs: Floats) -> Floats:
    """Log loss of each row, in nats."""
    return np.asarray(-np.log(np.maximum(_of_label(labels, outputs), PROBABILITY_FLOOR)), dtype=np.float64)


def brier_losses(labels: Labels, outputs: Floats) -> Floats:
    """Squared distances from 0, or 1 for the label, added up over the classes: from 0 to 2.

    Source: G. W. Brier, *Verification of forecasts expressed in terms of probability*, Monthly Weather Review 78 (1950).
    """
    return np.asarray((outputs**2).sum(axis=1) - 2 * _of_label(labels, outputs) + 1, dtype=np.float64)


def _of_label(labels: Labels, outputs: Floats) -> Floats:
    """The probability that each row's label was given."""
    given = outputs[np.arange(len(outputs)), np.maximum(labels, 0)]
    return np.asarray(np.where(labels == UNSEEN, 0.0, given), dtype=np.float64)


def correct(labels: Labels, outputs: Floats) -> Floats:
    """1 where the class of the highest probability is the label, else 0; of equal ones the first counts."""
    return np.asarray(outputs.argmax(axis=1) == labels, dtype=np.float64)


def confusion_of(labels: Labels, outputs: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Pairs (label, prediction) that occur, the rows of each, and the index of each row's pair."""
    pairs = np.stack([labels, outputs.argmax(axis=1)], axis=1)
    cells, of, rows = np.unique(pairs, axis=0, return_inverse=True, return_counts=True)
    return cells, rows, of.reshape(-1)


Cells = Callable[[NDArray[np.intp], NDArray[np.intp]], tuple[float, Floats]]
"""From pairs and their rows: a value, and the influence of a row of each pair."""


def balanced_accuracy(cells: NDArray[np.intp], rows: NDArray[np.intp]) -> tuple[float, Floats]:
    """Mean recall over the classes that occur as labels.

    Source: K. H. Brodersen et al., *The balanced accuracy and its posterior distribution*, ICPR (2010); the influence is the
    derivative of the mean of ratios (delta method).
    """
    labels, predicted = cells.T
    classes, of = np.unique(labels, return_inverse=True)
    right = labels == predicted
    occurred = np.bincount(of, weights=rows)
    recall = np.bincount(of, weights=rows * right) / occurred
    return float(recall.mean()), (right - recall[of]) * (rows.sum() / occurred[of]) / classes.size


def macro_f1(cells: NDArray[np.intp], rows: NDArray[np.intp]) -> tuple[float, Floats]:
    """Mean over the classes that occur as label or prediction of 2 TP / (labels + predictions).

    Source: J. Opitz, S. Burst, *Macro F1 and macro F1*, arXiv:1911.03347 (2019), the mean of F1 scores; the influence is the
    derivative of the mean of ratios (delta method).
    """
    labels, predicted = cells.T
    classes = np.unique(cells)
    of_label, of_predicted = np.searchsorted(classes, labels), np.searchsorted(classes, predicted)
    right = labels == predicted
    size = classes.size
    both = np.bincount(of_label, weights=rows, minlength=size) + np.bincount(of_predicted, weights=rows, minlength=size)
    f1 = 2 * np.bincount(of_label, weights=rows * right, minlength=size) / both
    scale = rows.sum() / both
    moved = 2 * right * scale[of_label] - f1[of_label] * scale[of_label] - f1[of_predicted] * scale[of_predicted]
    return float(f1.mean()), np.asarray(moved / size, dtype=np.float64)


def _by_cells(name: str, cells: Cells) -> Metric:
    def measure(labels: Labels, outputs: Floats) -> Measured | None:
        pairs, rows, of = confusion_of(labels, outputs)
        value, influence = cells(pairs, rows)
        return Measured(value, influence[of])

    return Metric(name, Better.LARGER, measure)


CELLS: Mapping[str, Cells] = {"balancedAccuracy": balanced_accuracy, "macroF1": macro_f1}
METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        mean_of("logloss", Better.SMALLER, log_losses),
        mean_of("accuracy", Better.LARGER, correct),
        *(_by_cells(name, cells) for name, cells in CELLS.items()),
        mean_of("brier", Better.SMALLER, brier_losses),
        Metric(
            skill.NAME,
            Better.LARGER,
            lambda labels, outputs: skill.measured(log_losses(labels, outputs), skill.class_losses(labels)),
            undefined="a single class",
        ),
    )
}


class MulticlassCohort(Cohort):
    """Sums of the losses, and outcomes by label and prediction."""

    TASK = NAME
    METRICS = METRICS
    PRIMARY = "logloss"

    task: Literal["MulticlassClassification"] = NAME
    log_loss_sum: float = Field(0.0, ge=0, description="Over matured predictions, in nats.")
    log_loss_squares: float = Field(0.0, ge=0)
    class_log_losses: tuple[tuple[int, float], ...] = Field(
        (), description="[label, sum of the log losses], with the codes of `confusion`."
    )
    brier_sum: float = Field(0.0, ge=0)
    brier_squares: float = Field(0.0, ge=0)
    confusion: tuple[tuple[int, int, Annotated[int, Field(gt=0)]], ...] = Field(
        (), description="[label, prediction, outcomes]: classes by their place in the signature, -1: never seen."
    )
    unseen: dict[str, int] = Field(default_factory=dict, description="Outcomes of classes that training never saw.")

    @model_validator(mode="after")
    def _is_coherent(self) -> Self:
        if self.matured > self.predictions:
            raise ValueError(f"matured is {self.matured}, but there are {self.predictions} predictions")
        counted = sum(rows for _, _, rows in self.confusion)
        if counted != self.matured:
            raise ValueError(f"confusion holds {counted} outcomes, but matured is {self.matured}")
        return self

    def plus(self, other: Self) -> Self:
        """See Cohort."""
        summed = ("predictions", "matured", "log_loss_sum", "log_loss_squares", "brier_sum", "brier_squares")
        cells = Counter({(y, p): rows for y, p, rows in self.confusion})
        cells.update({(y, p): rows for y, p, rows in other.confusion})
        losses: dict[int, float] = dict(self.class_log_losses)
        for label, loss in other.class_log_losses:
            losses[label] = losses.get(label, 0.0) + loss
        return type(self)(
            **{field: getattr(self, field) + getattr(other, field) for field in summed},
            class_log_losses=tuple(sorted(losses.items())),
            confusion=_listed(cells),
            unseen=_named(Counter(self.unseen) + Counter(other.unseen)),
        )

    def _estimate(self, metric: str) -> Estimate | None:
        if metric == "logloss":
            return mean(self.log_loss_sum, self.log_loss_squares, self.matured, least=0.0)
        if metric == "brier":
            return mean(self.brier_sum, self.brier_squares, self.matured, least=0.0, most=2.0)
        if metric == "accuracy":
            return share(sum(rows for y, p, rows in self.confusion if y == p), self.matured)
        table = np.array(self.confusion, dtype=np.intp)
        if metric == skill.NAME:
            labels, of = np.unique(table[:, 0], return_inverse=True)
            losses = dict(self.class_log_losses)
            rows = np.bincount(of.reshape(-1), weights=table[:, 2]).astype(np.float64)
            return skill.of_classes(
                rows, np.array([losses.get(label, 0.0) for label in labels.tolist()]), self.log_loss_squares
            )
        value, influence = CELLS[metric](table[:, :2], table[:, 2])
        error = math.sqrt(float(influence**2 @ table[:, 2]) / (self.matured * (self.matured - 1)))
        return normal(value, error, self.matured, least=0.0, most=1.0)

    def note(self) -> str:
        """See Cohort."""
        if not self.unseen:
            return ""
        named = ", ".join(f"{name!r} ({rows})" for name, rows in self.unseen.items())
        return f" Training has seen no rows of {named}; they count as errors."


def _listed(cells: Mapping[tuple[int, int], int]) -> tuple[tuple[int, int, int], ...]:
    return tuple((y, p, rows) for (y, p), rows in sorted(cells.items()))


def _named(unseen: Mapping[str, int]) -> dict[str, int]:
    """The most frequent classes by name, with the others in one count."""
    ranked = sorted(((n, c) for n, c in unseen.items() if n != OTHERS), key=lambda one: (-one[1], one[0]))
    kept, rest = ranked[:NAMED_CLASSES], ranked[NAMED_CLASSES:]
    others = unseen.get(OTHERS, 0) + sum(rows for _, rows in rest)
    return dict(kept) | ({OTHERS: others} if others else {})


@dataclass(frozen=True)
class MulticlassClassification:
    """See Task. Labels are texts or whole numbers, taken as text.

    Args:
        classes: What training saw, in the order of the model's output.
    """

    classes: tuple[str, ...]
    name = NAME
    output = OUTPUT
    label_type = LabelType.CLASS
    label_form = "texts or whole numbers, one for each class"
    metrics = METRICS
    cohort_type = MulticlassCohort

    def joined(self, other: Self) -> Self:
        """See Task; its classes are sorted."""
        return self if self.classes == other.classes else type(self)(tuple(sorted({*self.classes, *other.classes})))

    def adopted(self, outputs: Floats, of: Self) -> Floats:
        """See Task; a class that the model does not know has the probability 0."""
        if self.classes == of.classes:
            return outputs
        given = np.zeros((len(outputs), len(self.classes)))
        given[:, [self.classes.index(name) for name in of.classes]] = outputs
        return given

    def unlearnable(self, labels: Labels) -> str:
        """See Task."""
        classes = {str(label) for label in labels.tolist()}
        if len(classes) > 1:
            return ""
        return f"have label {min(classes)!r}; a classifier needs two classes or more: add labels of others"

    def fit(self, labels: Labels) -> Fit:
        """See Task; the classes are sorted."""
        classes = tuple(sorted({str(label) for label in _plain(labels)}))
        if len(classes) > MOST_CLASSES:
            raise ValueError(
                f"labels have {len(classes):,} classes, at most {MOST_CLASSES:,} are possible; group them, or predict a number"
            )
        return Fit(classes)

    def encode(self, labels: ArrayLike) -> Labels:
        """See Task; the place of each class, -1 for one that training never saw."""
        codes = {name: code for code, name in enumerate(self.classes)}
        return np.array([codes.get(str(label), UNSEEN) for label in _plain(labels)], dtype=np.intp)

    def constant(self, labels: Labels) -> tuple[Labels, Floats]:
        """See Task; the share of each class, of which one that training never saw is one more."""
        classes, codes, rows = np.unique(labels, return_inverse=True, return_counts=True)
        return codes.reshape(-1), np.broadcast_to(rows / labels.size, (labels.size, classes.size))

    def checked(self, outputs: ArrayLike) -> Floats:
        """See Task."""
        given = np.asarray(outputs, dtype=np.float64)
        if given.size == 0:
            return given.reshape(0, len(self.classes))
        right = given.ndim == 2 and given.shape[1] == len(self.classes)
        if not right or not ((given >= 0) & (given <= 1)).all() or np.abs(given.sum(axis=1) - 1).max() > SUM_TOLERANCE:
            raise ValueError(
                f"outputs must be a probability from 0 to 1 for each of {len(self.classes)} classes, which add up to 1 in each row"
            )
        return given

    def binned(self, outputs: Floats) -> list[str]:
        """See Task; the class of the highest probability."""
        return [self.classes[code] for code in outputs.argmax(axis=1).tolist()]

    def cohort(self, outputs: ArrayLike, labels: ArrayLike, predictions: int | None = None) -> MulticlassCohort:
        """See Task."""
        given, codes = self.checked(outputs), self.encode(labels)
        logs, briers = log_losses(codes, given), brier_losses(codes, given)
        unseen = [str(label)[:NAME_LENGTH] for label, code in zip(_plain(labels), codes, strict=True) if code == UNSEEN]
        cells, rows, _ = confusion_of(codes, given)
        labelled, of = np.unique(codes, return_inverse=True)
        by_class = np.bincount(of.reshape(-1), weights=logs, minlength=labelled.size)
        return MulticlassCohort(
            predictions=codes.size if predictions is None else predictions,
            matured=codes.size,
            log_loss_sum=float(logs.sum()),
            log_loss_squares=float((logs**2).sum()),
            class_log_losses=tuple(zip(labelled.tolist(), by_class.tolist(), strict=True)),
            brier_sum=float(briers.sum()),
            brier_squares=float((briers**2).sum()),
            confusion=tuple((y, p, n) for (y, p), n in zip(cells.tolist(), rows.tolist(), strict=True)),
            unseen=_named(Counter(unseen)),
        )


def _plain(labels: ArrayLike) -> list[Any]:
    return list(np.asarray(labels, dtype=object).tolist())
