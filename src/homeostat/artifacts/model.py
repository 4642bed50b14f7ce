"""Files of a model bundle."""

from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from homeostat.artifacts.bundle import parse
from homeostat.artifacts.signature import Signature
from homeostat.signals.histogram import Baseline

MODEL, SIGNATURE, BASELINE, EXAMPLES = "model.onnx", "signature.json", "baseline.json", "examples.json"
MODEL_FILES = (MODEL, BASELINE, SIGNATURE, EXAMPLES)
"""Everything that a predictor needs."""


class Example(BaseModel):
    """A prediction recorded at training, which every server of the model must repeat."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    inputs: dict[str, Any]
    """Values by feature; None is a missing value."""
    output: Annotated[float | list[float], Field(validation_alias=AliasChoices("output", "probability"))]
    """A number, or one for each class; bundles of 0.2.0 and before have it as `probability`."""


def signature(files: dict[str, bytes]) -> Signature:
    """The signature among the files of a bundle.

    Raises:
        InvalidData: It cannot be read; the text names the field.
    """
    return parse(Signature, files[SIGNATURE], SIGNATURE)


def baseline(files: dict[str, bytes]) -> Baseline:
    """The baseline among the files of a bundle.

    Raises:
        InvalidData: It cannot be read; the text names the field.
    """
    return parse(Baseline, files[BASELINE], BASELINE)


def examples(files: dict[str, bytes]) -> list[Example]:
    """The recorded predictions among the files of a bundle.

    Raises:
        InvalidData: They cannot be read; the text names the field.
    """
    return parse(list[Example], files[EXAMPLES], EXAMPLES)
