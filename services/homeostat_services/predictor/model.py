"""A model by its digest: fetched, verified file by file, loaded, and held to its own recorded predictions."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import onnxruntime as ort
import structlog
from numpy.typing import NDArray

from homeostat.artifacts import model as artifact
from homeostat.artifacts.bundle import BundleRef
from homeostat.artifacts.model import MODEL, MODEL_FILES, Example
from homeostat.artifacts.signature import Signature
from homeostat.artifacts.storage import fetch
from homeostat.engines.objects import ObjectStore
from homeostat.reconcile.errors import InvalidData
from homeostat.signals.histogram import Baseline
from homeostat_services.predictor.outputs import Outputs, outputs_of
from homeostat_services.predictor.values import BlockReader, Blocks

_log = structlog.get_logger()

Columns = Mapping[str, Sequence[Any]]
"""Values by input name, one per row; None is a missing value."""

Run = Callable[[list[str], dict[str, NDArray[Any]], None], list[NDArray[Any]]]
"""From names of outputs and arrays by input, without options of the run, to the outputs."""


@dataclass(frozen=True)
class Model:
    """A model that gave its own recorded predictions; make it with `load`."""

    signature: Signature
    outputs: Outputs
    baseline: Baseline
    session: ort.InferenceSession

    @cached_property
    def block(self) -> BlockReader:
        """The inputs."""
        return BlockReader(self.signature.datatypes)

    @cached_property
    def _run(self) -> Run:
        # `InferenceSession.run` looks up the name of every input in a list of all of them: 9 of 35 µs with 19 inputs,
        # 310 of 545 µs with 200. What it calls then refuses an input that is missing, too.
        inner = getattr(self.session, "_sess", None)
        run: Run = self.session.run if inner is None else inner.run
        return run

    def scores(self, columns: Columns, blocks: Blocks | None = None) -> list[Any]:
        """The prediction of each row: a number, or one for each class.

        Args:
            columns: Every input of the signature.
            blocks: What `block` makes of them, where that is known already.

        Raises:
            InvalidRequest: A prediction is not finite.
        """
        numbers, texts = self.block.of(columns) if blocks is None else blocks
        # Blocks are converted and cut into columns: an array made for each input would cost more than the model.
        feed = dict(zip(self.block.numbers, numbers.astype(np.float32)[:, :, np.newaxis], strict=True))
        feed.update(zip(self.block.texts, texts[:, :, np.newaxis], strict=True))
        (result,) = self._run([self.signature.output.name], feed, None)
        return self.outputs.of(result)


def load(objects: ObjectStore, uri: str, digest: str) -> Model:
    """The model in the folder `uri`, warm.

    Raises:
        EngineUnavailable: The object store does not answer.
        InvalidData: A file is gone or not that of the digest, files do not belong together, or the model does not
            repeat its recorded predictions.
    """
    files = fetch(objects, BundleRef(uri=uri, digest=digest), MODEL_FILES)
    signature = artifact.signature(files)
    if lacking := signature.lacking():
        _log.info("signature.json of an older training", lacking=", ".join(lacking))
    model = Model(signature, outputs_of(signature), artifact.baseline(files), _session(files[MODEL]))
    _check_inputs(model)
    _check_examples(model, artifact.examples(files))
    return model


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
    declared = {i.name: "tensor(string)" if i.textual else "tensor(float)" for i in model.signature.inputs}
    actual = {i.name: i.type for i in model.session.get_inputs()}
    if declared != actual:
        raise InvalidData(f"signature.json declares inputs {json.dumps(declared)}, model.onnx has {json.dumps(actual)}")
    missing = declared.keys() - {feature.name for feature in model.baseline.features}
    if missing:
        raise InvalidData(f"baseline.json has no bins of {', '.join(sorted(missing))}; it was made for another model")
    score = model.baseline.score
    if score is not None and score.kind is not model.outputs.kind:
        raise InvalidData(
            f"baseline.json: score is {score.kind}, and the output of a {model.signature.task} is {model.outputs.kind}; "
            "it was made for another model"
        )


def _check_examples(model: Model, examples: list[Example]) -> None:
    if not examples:
        raise InvalidData("examples.json has no recorded prediction to check the model by; train the model again")
    columns = {i.name: [example.inputs.get(i.name) for example in examples] for i in model.signature.inputs}
    try:
        scores = model.scores(columns)
    except Exception as error:
        raise InvalidData(f"the model cannot predict its own examples ({error}); train the model again") from error
    for row, (example, score) in enumerate(zip(examples, scores, strict=True)):
        if not model.outputs.repeats(example.output, score):
            raise InvalidData(
                f"example {row} was {example.output} at training and is {score} here, "
                "further apart than machines differ; the model is not served"
            )
