"""`signature.json`: what a model takes and gives; written by trainings, read by predictors and evaluations."""

import operator
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from homeostat import tasks
from homeostat.artifacts.bundle import BundleRef
from homeostat.artifacts.holdout import Holdout
from homeostat.tasks.multiclass import MOST_CLASSES


class Datatype(StrEnum):
    """Datatypes of the Open Inference Protocol."""

    BYTES = "BYTES"
    INT64 = "INT64"
    FP64 = "FP64"
    BOOL = "BOOL"


class Origin(StrEnum):
    """Where the value of a feature comes from when features are looked up."""

    LOOKUP = "lookup"
    REQUEST = "request"


class _Part(BaseModel):
    """A part of the file; fields of a newer version are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class EntityKey(_Part):
    """One of several entities of a model, and the FeatureSets that are looked up by its key."""

    name: str
    datatype: Literal[Datatype.BYTES, Datatype.INT64]
    feature_sets: tuple[str, ...] = Field(alias="featureSets")


class ModelInput(_Part):
    """One raw feature."""

    name: str
    datatype: Datatype
    feature_set: str = ""
    """Empty where callers send it."""
    origin: Annotated[Origin, Field(exclude_if=lambda origin: origin is Origin.LOOKUP)] = Origin.LOOKUP
    """With `features: Lookup`; with `Request`, callers send every feature. Bundles of 0.2.0 have only looked-up ones."""

    @property
    def textual(self) -> bool:
        """Whether the graph takes it as text; everything else is a number."""
        return self.datatype is Datatype.BYTES


class ModelOutput(_Part):
    """What the graph gives."""

    name: str = tasks.UNNAMED.output
    datatype: Literal["FP64"] = "FP64"


class Signature(_Part):
    """Content of `signature.json`."""

    model: str
    """`<namespace>.<model>`."""
    task: Annotated[str, AfterValidator(lambda name: tasks.made(name).name)] = tasks.UNNAMED.name
    """What the model predicts, by the name of a task of `homeostat.tasks`; bundles from before 0.2.0 do not record it."""
    classes: Annotated[tuple[str, ...], Field(max_length=MOST_CLASSES, exclude_if=operator.not_)] = ()
    """Classes by name in the order of the output, fixed by the rows of training; only of a multiclass model."""
    units: Annotated[tasks.Units | None, Field(exclude_if=operator.not_)] = None
    """Zero and unit of the labels of training; only of a regression."""
    entity: str
    """Name of the entity's key."""
    entity_type: Literal[Datatype.BYTES, Datatype.INT64] | None = Field(None, alias="entityType")
    """Type of the entity's key; bundles of v0.1.0 do not record it, and any id is taken."""
    feature_sets: tuple[str, ...] = Field(alias="featureSets")
    others: Annotated[tuple[EntityKey, ...], Field(alias="otherEntities", exclude_if=operator.not_)] = ()
    """Further entities, whose keys a request names beside that of `entity`; outcomes and the holdout go by `entity`."""
    inputs: tuple[ModelInput, ...] = Field(min_length=1)
    output: ModelOutput = ModelOutput()
    positive: str | None = None
    """Field of the label; a predictor does without it."""
    holdout_percent: int | None = Field(None, alias="holdoutPercent")
    """Share of entities that the model was not trained on; bundles from before 0.1 do not record it."""
    holdout: Annotated[Holdout | None, Field(exclude_if=operator.not_)] = None
    """The holdout of another form than a share of entities."""
    judged: Annotated[BundleRef | None, Field(exclude_if=operator.not_)] = None
    """The model trained without the holdout, which the gate judges; only of a model that was trained on all rows then."""

    @property
    def held(self) -> Holdout | None:
        """Which rows the model was not trained on; None: not recorded."""
        if self.holdout is None and self.holdout_percent is not None:
            return Holdout(percent=self.holdout_percent)
        return self.holdout

    @property
    def predicts(self) -> tasks.Task:
        """What the model predicts."""
        return tasks.made(self.task, tasks.Fit(self.classes, self.units))

    def fitted(self, labels: tasks.Labels) -> "Signature":
        """The signature with what its task takes from the labels of training.

        Raises:
            ValueError: There are too many classes.
        """
        fit = self.predicts.fit(labels)
        return self.model_copy(update={"classes": fit.classes, "units": fit.units})

    @cached_property
    def datatypes(self) -> dict[str, Datatype]:
        """Datatype of each input by its name."""
        return {i.name: i.datatype for i in self.inputs}

    @cached_property
    def sent(self) -> dict[str, Datatype]:
        """Datatype of each input that callers send though features are looked up, by its name."""
        return {i.name: i.datatype for i in self.inputs if i.origin is Origin.REQUEST}

    @cached_property
    def keyed(self) -> dict[str, str]:
        """Name of the entity by whose key each FeatureSet is looked up."""
        further = {name: each.name for each in self.others for name in each.feature_sets}
        return dict.fromkeys(self.feature_sets, self.entity) | further

    def lacking(self) -> tuple[str, ...]:
        """Names of the optional fields that this bundle does not record, as older ones do not."""
        optional = (
            ("positive", self.positive),
            ("holdoutPercent", self.held),
            ("entityType", self.entity_type),
        )
        return tuple(name for name, value in optional if value is None)
