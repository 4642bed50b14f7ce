"""A model that Homeostat packaged, in Seldon's own server; `services/README.md` shows the command.

Seldon finds the class by the file's name. The file runs where Seldon's package does, so it needs nothing of Homeostat.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from seldon_core import Storage
from seldon_core.flask_utils import SeldonMicroserviceException
from seldon_core.proto.prediction_pb2 import SeldonMessage
from seldon_core.utils import construct_response, construct_response_json, get_meta_from_proto, seldon_message_to_json

TOLERANCE = 1e-4
"""Largest difference between a recorded prediction and the same one made here: of a probability, or in deviations of the labels
of training."""

ROUNDING = 1e-6
"""The same of a number's own size: models add up in single precision."""

LARGEST = 3.4028234663852886e38
"""Largest number of single precision, in which models compute."""

Columns = Mapping[str, Sequence[Any]]
"""Values by name, one per row; None is a missing value."""


class HomeostatModel:
    """Serves one version of a model.

    Args:
        model_uri: Folder of the model's files.
        model_digest: Digest of the folder's manifest.json, `sha256:<hex>`.
    """

    def __init__(self, model_uri: str, model_digest: str) -> None:
        self._uri, self._digest = model_uri, model_digest

    def load(self) -> None:
        """Read, verify and try the model; every worker of the server does.

        Raises:
            ValueError: The files are not those of the digest, or do not predict what they did at training.
        """
        folder = Path(Storage.download(self._uri))
        files = json.loads(_verified(folder / "manifest.json", self._digest))["files"]
        self._signature = json.loads(_verified(folder / "signature.json", files["signature.json"]))
        model = _verified(folder / "model.onnx", files["model.onnx"])
        options = ort.SessionOptions()
        # A row takes microseconds: handing it to other threads would cost more.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._check_examples(json.loads(_verified(folder / "examples.json", files["examples.json"])))

    def predict_raw(self, message: Any) -> Any:
        """The answer to a SeldonMessage: of JSON over REST, of protobuf over gRPC.

        The raw message, because Seldon would make one array of it, in which numbers beside text become text.

        Raises:
            SeldonMicroserviceException: A mistake in the request; the text names field, value and remedy.
        """
        if isinstance(message, SeldonMessage):
            scores = self._scores(self._columns(seldon_message_to_json(message)))
            return construct_response(self, False, message, scores, get_meta_from_proto(message))
        scores = self._scores(self._columns(message))
        return construct_response_json(self, False, message, scores, message.get("meta"))

    def class_names(self) -> list[str]:
        """Names of the columns of an answer."""
        return self._signature.get("classes") or [self._signature["output"]["name"]]

    def tags(self) -> dict[str, str]:
        """What every answer says of the model."""
        return {"model": self._signature["model"], "digest": self._digest}

    def _columns(self, message: Any) -> Columns:
        """Every input of the model, checked; the entity's column is not looked at."""
        columns = _table(message)
        inputs = {i["name"]: i["datatype"] for i in self._signature["inputs"]}
        if missing := inputs.keys() - columns.keys():
            # Beside all of the inputs, others are those of a later version, which callers send before it is rolled out.
            if unknown := columns.keys() - inputs.keys() - {self._signature["entity"]}:
                raise _mistake(
                    f"column {min(unknown)!r} is not an input of this model; the inputs are {', '.join(inputs)}"
                )
            raise _mistake(f"column {min(missing)!r} is missing; add it, with null where a value is not known")
        return {name: _checked(columns[name], name, datatype) for name, datatype in inputs.items()}

    def _scores(self, columns: Columns) -> NDArray[np.float32]:
        """The probability of the positive class or a number, [N, 1], or those of all classes, [N, classes]."""
        inputs, output = self._signature["inputs"], self._signature["output"]["name"]
        feed = {i["name"]: _tensor(columns[i["name"]], text=i["datatype"] == "BYTES") for i in inputs}
        (result,) = self._session.run([output], feed)
        # A binary classifier with one column per class keeps the positive one last; a single column is that probability.
        scores = np.asarray(result.reshape(len(result), -1)[:, -len(self.class_names()) :])
        if not np.isfinite(scores).all():
            row = int(np.flatnonzero(~np.isfinite(scores).all(axis=1))[0])
            raise _mistake(
                f"row {row}: the model gives {scores[row].tolist()}, and a prediction must be finite; train the model again"
            )
        return scores

    def _check_examples(self, examples: list[dict[str, Any]]) -> None:
        columns = {i["name"]: [e["inputs"].get(i["name"]) for e in examples] for i in self._signature["inputs"]}
        outputs = [e.get("output", e.get("probability")) for e in examples]
        recorded = np.array(outputs, dtype=np.float64).reshape(len(examples), -1)
        scale = (self._signature.get("units") or {}).get("scale", 1.0)
        scores = self._scores(columns)
        # Written so that NaN fails too.
        if scores.shape != recorded.shape or not np.all(
            np.abs(scores - recorded) <= TOLERANCE * scale + ROUNDING * np.abs(recorded)
        ):
            raise ValueError(f"{self._uri}: the model does not predict its examples as at training; it is not served")


def _verified(path: Path, digest: str) -> bytes:
    content = path.read_bytes()
    actual = f"sha256:{hashlib.sha256(content).hexdigest()}"
    if actual != digest:
        raise ValueError(f"{path} has digest {actual}, but {digest} is expected; it was changed after training")
    return content


def _tensor(values: Sequence[Any], *, text: bool) -> NDArray[Any]:
    if text:
        # NUL characters are no part of a text, as at training.
        return np.array([(value or "").replace("\0", "") for value in values], dtype=object).reshape(-1, 1)
    # None becomes NaN.
    return np.array(values, dtype=np.float32).reshape(-1, 1)


def _table(message: Any) -> Columns:
    match message:
        case {"data": {"names": [_, *_] as names, "ndarray": [_, *_] as rows}}:
            pass
        case {
            "data": {"names": [_, *_] as names, "tensor": {"shape": [int(), int(width)], "values": [_, *_] as values}}
        }:
            rows = [values[start : start + width] for start in range(0, len(values), max(width, 1))]
        case {"jsonData": dict() as row}:
            names, rows = list(row), [list(row.values())]
        case {"jsonData": [dict() as first, *_] as objects}:
            names = list(first)
            rows = [
                [o[name] for name in names] if isinstance(o, dict) and o.keys() == first.keys() else o for o in objects
            ]
        case _:
            raise _mistake(
                "the message has no rows in a supported form; give data.names with data.ndarray or data.tensor, "
                "or jsonData, an object or a list of them"
            )
    for number, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != len(names):
            raise _mistake(f"row {number} is {row!r}; give one value for each of {', '.join(map(str, names))}")
    return dict(zip(names, zip(*rows, strict=True), strict=True))


def _checked(values: Sequence[Any], name: str, datatype: str) -> list[Any]:
    text = datatype == "BYTES"
    types, noun = ((str,), "a string") if text else ((int, float, bool), "a number")
    # NaN is a number that Seldon's clients write as text.
    cleaned = [None if value == "NaN" and not text else value for value in values]
    for row, value in enumerate(cleaned):
        if value is not None and type(value) not in types:
            raise _mistake(f"column {name!r}, row {row}, is {value!r}; give {noun}, or null if it is not known")
        if value is not None and not text and abs(value) > LARGEST:
            raise _mistake(
                f"column {name!r}, row {row}, is {value!r}; give a number between -3.4e38 and 3.4e38, or null"
            )
    return cleaned


def _mistake(text: str) -> SeldonMicroserviceException:
    error = SeldonMicroserviceException(text)
    # Over gRPC callers see the exception's own text, which that class leaves empty.
    error.args = (text,)
    return error
