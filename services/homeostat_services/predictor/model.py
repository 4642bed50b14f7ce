"""A model by its digest: fetched, verified file by file, loaded, and held to its own recorded predictions."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeVar

import numpy as np
import onnxruntime as ort
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from homeostat.engines.objects import ObjectStore
from homeostat.reconcile.errors import InvalidData
from homeostat.signals.histogram import Baseline

TOLERANCE = 1e-4
"""Largest difference between a recorded prediction and the same one made here."""

FILES = ("model.onnx", "baseline.json", "signature.json", "examples.json")

Columns = Mapping[str, Sequence[Any]]
"""Values by input name, one per row; None is a missing value."""

Parsed = TypeVar("Parsed")


class Record(BaseModel):
    """Part of a model's files; fields of a newer version are tolerated."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Input(Record):
    """A raw feature, as the model was trained with it."""

    name: str
    datatype: Literal["BYTES", "FP64", "INT64", "BOOL"]
    feature_set: str


class Output(Record):
    """What the model gives."""

    name: str
    datatype: str


class Signature(Record):
    """Content of `signature.json`."""

    model: str
    entity: str
    feature_sets: tuple[str, ...] = Field(alias="featureSets")
    inputs: tuple[Input, ...] = Field(min_length=1)
    output: Output

    @cached_property
    def datatypes(self) -> dict[str, str]:
        """Datatype of each input by its name."""
        return {i.name: i.datatype for i in self.inputs}


class Example(Record):
    """A prediction recorded at training."""

    inputs: dict[str, Any]
    probability: float


@dataclass(frozen=True)
class Model:
    """A model that gave its own recorded predictions; make it with `load`."""

    signature: Signature
    baseline: Baseline
    session: ort.InferenceSession

    def scores(self, columns: Columns) -> list[float]:
        """The probability of the positive class, one per row.

        Args:
            columns: Every input of the signature.
        """
        feed = {i.name: _tensor(columns[i.name], text=i.datatype == "BYTES") for i in self.signature.inputs}
        (result,) = self.session.run([self.signature.output.name], feed)
        # A classifier with one column per class keeps the positive one last; a single column is that probability.
        return [float(p) for p in result.reshape(len(result), -1)[:, -1]]


def _tensor(values: Sequence[Any], *, text: bool) -> Any:
    if text:
        return np.array(["" if v is None else v for v in values], dtype=object).reshape(-1, 1)
    # None becomes NaN.
    return np.array(values, dtype=np.float32).reshape(-1, 1)


def load(objects: ObjectStore, uri: str, digest: str) -> Model:
    """The model in the folder `uri`, warm.

    Raises:
        EngineUnavailable: The object store does not answer.
        ObjectNotFound: A file is not there.
        InvalidData: The files are not those of the digest, do not belong together, or do not predict what they did.
    """
    folder = uri.rstrip("/")
    manifest = objects.read(f"{folder}/manifest.json")
    _verify(f"{folder}/manifest.json", manifest, digest)
    expected = _parsed(TypeAdapter(dict[str, dict[str, str]]), manifest, f"{folder}/manifest.json").get("files", {})
    content = {}
    for name in FILES:
        if name not in expected:
            raise InvalidData(f"{folder}/manifest.json names no {name}; train the model again")
        content[name] = objects.read(f"{folder}/{name}")
        _verify(f"{folder}/{name}", content[name], expected[name])
    model = Model(
        signature=_parsed(TypeAdapter(Signature), content["signature.json"], "signature.json"),
        baseline=_parsed(TypeAdapter(Baseline), content["baseline.json"], "baseline.json"),
        session=_session(content["model.onnx"]),
    )
    _check_inputs(model)
    _check_examples(model, _parsed(TypeAdapter(list[Example]), content["examples.json"], "examples.json"))
    return model


def _verify(uri: str, content: bytes, digest: str) -> None:
    found = f"sha256:{hashlib.sha256(content).hexdigest()}"
    if found != digest:
        raise InvalidData(f"{uri} has digest {found}, but {digest} is expected; it was changed after training")


def _parsed(adapter: TypeAdapter[Parsed], content: bytes, name: str) -> Parsed:
    try:
        return adapter.validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise InvalidData(f"{name}: {place}: {first['msg']}; train the model again") from error


def _session(content: bytes) -> ort.InferenceSession:
    options = ort.SessionOptions()
    # A row takes microseconds: handing it to other threads would cost more, and pods scale by their number.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise InvalidData(f"model.onnx cannot be loaded ({error}); train the model again") from error


def _check_inputs(model: Model) -> None:
    declared = {i.name: "tensor(string)" if i.datatype == "BYTES" else "tensor(float)" for i in model.signature.inputs}
    actual = {i.name: i.type for i in model.session.get_inputs()}
    if declared != actual:
        raise InvalidData(f"signature.json declares inputs {json.dumps(declared)}, model.onnx has {json.dumps(actual)}")
    missing = declared.keys() - {feature.name for feature in model.baseline.features}
    if missing:
        raise InvalidData(f"baseline.json has no bins of {', '.join(sorted(missing))}; it was made for another model")


def _check_examples(model: Model, examples: list[Example]) -> None:
    if not examples:
        raise InvalidData("examples.json has no recorded prediction to check the model by; train the model again")
    columns = {i.name: [example.inputs.get(i.name) for example in examples] for i in model.signature.inputs}
    try:
        scores = model.scores(columns)
    except Exception as error:
        raise InvalidData(f"the model cannot predict its own examples ({error}); train the model again") from error
    for row, (example, score) in enumerate(zip(examples, scores, strict=True)):
        # Written so that NaN fails too.
        if not abs(score - example.probability) <= TOLERANCE:
            raise InvalidData(
                f"example {row} was {example.probability} at training and is {score} here, "
                f"more than {TOLERANCE} apart; the model is not served"
            )
