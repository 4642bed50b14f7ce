"""The model that a ModelDeployment serves: where its versions come from."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from homeostat.api.common import ResourceName, SpecModel, rule

ModelVersionNumber = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]*$", max_length=9)]


class Follow(StrEnum):
    """Selection of the versions that become candidates."""

    NEWEST = "Newest"


class RegisteredModel(SpecModel):
    """A registered model of this namespace."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                rule("has(self.follow) != has(self.version)", "give exactly one of follow and version")
            ]
        }
    )

    name: Annotated[ResourceName, Field(description="Name of the model, as in spec.output.model of its TrainingJobs.")]
    follow: Annotated[
        Follow | None, Field(description="Every version whose training completed later becomes a candidate.")
    ] = None
    version: Annotated[ModelVersionNumber | None, Field(description="Pins this version.")] = None

    @model_validator(mode="after")
    def _one_choice(self) -> Self:
        if (self.follow is None) == (self.version is None):
            raise ValueError("spec.model.registered has exactly one of follow and version")
        return self


class ModelSource(SpecModel):
    """The model to serve; exactly one origin."""

    model_config = ConfigDict(
        json_schema_extra={
            # A list, so that another origin can be added to it without a change of what is valid today.
            "x-kubernetes-validations": [
                rule(
                    "[has(self.registered)].filter(given, given).size() == 1",
                    "give exactly one origin of the model: registered",
                )
            ]
        }
    )

    registered: Annotated[
        RegisteredModel | None, Field(description="A model that TrainingJobs of this namespace produce.")
    ] = None

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if self.registered is None:
            raise ValueError("spec.model has exactly one origin: give registered")
        return self
