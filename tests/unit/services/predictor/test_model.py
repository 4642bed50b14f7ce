import json

import pytest

from homeostat.reconcile.errors import InvalidData
from homeostat_services.predictor.model import load
from support import small_model


def test_a_model_gives_its_recorded_predictions() -> None:
    objects, digest = small_model.stored()
    model = load(objects, small_model.URI + "/", digest)
    columns = {name: [row[name] for row in small_model.ROWS] for name in small_model.DATATYPES}
    assert model.scores(columns) == pytest.approx([small_model.probability(row) for row in small_model.ROWS], abs=1e-6)


def test_a_model_with_another_digest_is_not_served() -> None:
    objects, _ = small_model.stored()
    with pytest.raises(InvalidData, match=r"manifest\.json has digest sha256:.* is expected"):
        load(objects, small_model.URI, f"sha256:{'0' * 64}")


@pytest.mark.parametrize("name", ["model.onnx", "baseline.json", "signature.json", "examples.json"])
def test_a_file_that_was_changed_after_training_is_not_served(name: str) -> None:
    objects, digest = small_model.stored()
    objects.content[f"{small_model.URI}/{name}"] += b" "
    with pytest.raises(InvalidData, match=rf"{name} has digest .* it was changed"):
        load(objects, small_model.URI, digest)


def test_a_file_that_is_gone_is_named() -> None:
    objects, digest = small_model.stored()
    del objects.content[f"{small_model.URI}/model.onnx"]
    with pytest.raises(InvalidData, match=r"model\.onnx is gone"):
        load(objects, small_model.URI, digest)


@pytest.mark.parametrize("recorded", [0.5, float("nan")])
def test_a_model_that_fails_its_own_examples_is_not_served(recorded: float) -> None:
    files = small_model.files()
    examples = json.loads(files["examples.json"])
    examples[2]["output"] = recorded + 0.001
    objects, digest = small_model.stored(files | {"examples.json": json.dumps(examples).encode()})
    with pytest.raises(InvalidData, match="example 2 was"):
        load(objects, small_model.URI, digest)


def test_a_signature_of_another_model_is_not_served() -> None:
    files = small_model.files()
    signature = json.loads(files["signature.json"])
    signature["inputs"].pop()
    objects, digest = small_model.stored(files | {"signature.json": json.dumps(signature).encode()})
    with pytest.raises(InvalidData, match=r"signature\.json declares inputs"):
        load(objects, small_model.URI, digest)


def test_a_file_that_is_no_onnx_graph_is_not_served() -> None:
    objects, digest = small_model.stored(small_model.files() | {"model.onnx": b"not a graph"})
    with pytest.raises(InvalidData, match=r"model\.onnx cannot be loaded"):
        load(objects, small_model.URI, digest)
