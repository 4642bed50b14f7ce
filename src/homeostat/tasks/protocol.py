"""What every task says of itself: the one interface through which the loop speaks of labels, outputs and metrics."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Protocol, Self, TypeVar

from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from homeostat.documents import TolerantDocument
from homeostat.intervals import Estimate, Floats

Number = TypeVar("Number", float, Floats)

Labels = NDArray[Any]
"""Labels as `Task.encode` gives them, one per row."""


class Better(StrEnum):
    """The direction in which a metric improves."""

    LARGER = "at least"
    SMALLER = "at most"
    NEARER_ZERO = "within ±"


class Method(StrEnum):
    """Where the interval of a difference comes from."""

    INFLUENCE = "influence functions"
    DELONG = "DeLong"
    BOOTSTRAP = "bootstrap"


@dataclass(frozen=True)
class Measured:
    """A metric on some rows.

    `influence` says how far each row moves the value: the value on another sample of n rows is about this one plus the mean
    of their influences. It adds up to 0 over the rows, and is None for a metric that has no such linear approximation.
    Source: F. R. Hampel, *The influence curve and its role in robust estimation*, JASA 69 (1974).
    """

    value: float
    influence: Floats | None = None


@dataclass(frozen=True)
class Metric:
    """A measure of outputs against labels."""

    name: str
    better: Better
    measure: Callable[[Labels, Floats], Measured | None]
    """From labels and outputs; None where it is not defined on these rows."""
    method: Method = Method.INFLUENCE
    undefined: str = ""
    """Rows on which it is not defined, in words."""
    resampled: Callable[[Labels, Floats, Floats], Floats] | None = None
    """From labels, outputs and weights (draws by rows): the value in each draw. Given with the method BOOTSTRAP."""

    def gain(self, new: Number, old: Number) -> Number:
        """How much better `new` is than `old`, values of the metric or of its influence; positive is better."""
        if self.better is Better.NEARER_ZERO:
            return abs(old) - abs(new)
        return new - old if self.better is Better.LARGER else old - new

    def meets(self, value: float, bound: float) -> bool:
        """Whether a value is as good as the bound."""
        return self.gain(value, bound) >= 0


def mean_of(name: str, better: Better, losses: Callable[[Labels, Floats], Floats]) -> Metric:
    """A metric that is the mean of what each row contributes."""

    def measure(labels: Labels, outputs: Floats) -> Measured | None:
        rows = losses(labels, outputs)
        value = float(rows.mean())
        return Measured(value, rows - value)

    return Metric(name, better, measure)


class Cohort(TolerantDocument, ABC):
    """Predictions of one version in one span of prediction time, and what is known of their outcomes.

    Sums and counts only, so that cohorts of disjoint parts add up to that of the whole.
    """

    TASK: ClassVar[str]
    METRICS: ClassVar[Mapping[str, Metric]]
    PRIMARY: ClassVar[str]
    """The metric where none is named."""

    predictions: int = Field(0, ge=0)
    matured: int = Field(0, ge=0, description="Predictions whose outcome is known.")

    @abstractmethod
    def plus(self, other: Self) -> Self:
        """The cohort of both, which have no prediction in common."""

    def estimate(self, metric: str) -> Estimate | None:
        """A metric on the matured predictions with its 95 % bounds; None where it is not defined on them.

        Raises:
            ValueError: The task has no such metric.
        """
        if metric not in self.METRICS:
            raise ValueError(f"{self.TASK} has no metric {metric!r}; it has {', '.join(self.METRICS)}")
        return None if self.matured < 2 else self._estimate(metric)

    @abstractmethod
    def _estimate(self, metric: str) -> Estimate | None:
        """A metric of the task, on two outcomes at least."""

    def note(self) -> str:
        """What has to be said beside every figure, as sentences; empty where there is nothing."""
        return ""


class LabelType(StrEnum):
    """What a label is."""

    ZERO_OR_ONE = "integer"
    CLASS = "text"
    NUMBER = "double"


class Units(TolerantDocument):
    """Zero and unit of sums over numbers: about the mean and the standard deviation of the labels of training."""

    origin: float = Field(allow_inf_nan=False)
    scale: float = Field(gt=0, allow_inf_nan=False)


@dataclass(frozen=True)
class Fit:
    """What a task takes from the labels of training, and `signature.json` records."""

    classes: tuple[str, ...] = ()
    """In the order of the model's output; empty for a task without classes by name."""
    units: Units | None = None
    """None for a task whose labels are not numbers."""


class Task(Protocol):
    """What a model predicts.

    Labels are one-dimensional arrays; outputs are `[N]`, or `[N, K]` for K classes.
    """

    @property
    def name(self) -> str:
        """As in `signature.json`."""
        ...

    @property
    def output(self) -> str:
        """Name of the model's output."""
        ...

    @property
    def label_type(self) -> LabelType:
        """What a label is."""
        ...

    @property
    def label_form(self) -> str:
        """What labels are to be written as, after "write"."""
        ...

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """Every metric by its name; the order is that of reports."""
        ...

    @property
    def cohort_type(self) -> type[Cohort]:
        """What `cohort` makes, as a document."""
        ...

    def joined(self, other: Self) -> Self:
        """The task that judges models of both trainings: it has the classes of either."""
        ...

    def adopted(self, outputs: Floats, of: Self) -> Floats:
        """Outputs of a model of the task `of`, which this one was joined from, as outputs of this one."""
        ...

    def unlearnable(self, labels: Labels) -> str:
        """Why nothing can be learnt from, or judged on, these labels, after "all N rows"; empty where something can."""
        ...

    def fit(self, labels: Labels) -> Fit:
        """What the task takes from these labels of training; `made` gives the task with it.

        Raises:
            ValueError: There are too many classes.
        """
        ...

    def encode(self, labels: ArrayLike) -> Labels:
        """Labels as the metrics take them."""
        ...

    def constant(self, labels: Labels) -> tuple[Labels, Floats]:
        """Labels as `encode` gives them, and outputs that are the same on every row: what the figures of a model stand beside.

        The constant is the base rate of these rows, or their mean. The labels are such that metrics take them with the outputs.
        """
        ...

    def checked(self, outputs: ArrayLike) -> Floats:
        """Outputs as the metrics take them.

        Raises:
            ValueError: They are no outputs of this task; the text names what they have to be.
        """
        ...

    def binned(self, outputs: Floats) -> list[float] | list[str]:
        """What output drift is judged on: a number or a class per row."""
        ...

    def cohort(self, outputs: ArrayLike, labels: ArrayLike, predictions: int | None = None) -> Cohort:
        """Sums over matured predictions.

        Args:
            outputs: Of the matured predictions.
            labels: Their outcomes.
            predictions: All predictions of the cohort; the matured ones when absent.

        Raises:
            ValueError: Outputs that are none, or fewer predictions than outcomes.
        """
        ...
