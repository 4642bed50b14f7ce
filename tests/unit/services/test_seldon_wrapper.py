import ast
import json
import re
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel

from homeostat.artifacts.bundle import MANIFEST, BundleManifest, digest_of
from homeostat.artifacts.model import EXAMPLES, MODEL, SIGNATURE, Example
from homeostat.artifacts.signature import Datatype, ModelInput, ModelOutput, Signature
from homeostat_services.predictor.model import load
from homeostat_services.predictor.outputs import ROUNDING, TOLERANCE
from support import small_model

WRAPPER = Path(__file__).parents[3] / "services/seldon_wrapper/HomeostatModel.py"
"""One file to be copied, so it repeats the format instead of importing it; this holds it to the library's."""


def names_of(model: type[BaseModel]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


def constants() -> set[str]:
    return {
        node.value
        for node in ast.walk(ast.parse(WRAPPER.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def test_the_wrapper_reads_the_files_of_the_library_s_format() -> None:
    assert {name for name in constants() if re.fullmatch(r"[a-z]+\.(json|onnx)", name)} == {
        MANIFEST,
        MODEL,
        SIGNATURE,
        EXAMPLES,
    }


def test_the_wrapper_reads_only_fields_that_the_format_has() -> None:
    known = {
        *names_of(BundleManifest),
        *names_of(Signature),
        *names_of(ModelInput),
        *names_of(ModelOutput),
        *names_of(Example),
    }
    keys = {
        node.slice.value
        for node in ast.walk(ast.parse(WRAPPER.read_text()))
        if isinstance(node, ast.Subscript)
        and isinstance(node.slice, ast.Constant)
        and isinstance(node.slice.value, str)
    }
    assert keys - {MANIFEST, MODEL, SIGNATURE, EXAMPLES} <= known


def test_the_wrapper_knows_the_digests_datatypes_and_tolerance_of_the_platform() -> None:
    text = WRAPPER.read_text()
    assert 'f"sha256:{hashlib.sha256(content).hexdigest()}"' in text
    assert digest_of(b"").startswith("sha256:")
    assert f'"{Datatype.BYTES.value}"' in text
    assert f"TOLERANCE = {TOLERANCE:.0e}".replace("e-0", "e-") in text
    assert f"ROUNDING = {ROUNDING:.0e}".replace("e-0", "e-") in text


@pytest.fixture
def wrapper(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The wrapper's module beside a stand-in of Seldon's package, which has an environment of its own (`make test-seldon-python`)."""
    mistake = type("SeldonMicroserviceException", (Exception,), {})

    def answer(model: Any, _request: bool, _message: Any, scores: Any, _meta: Any) -> dict[str, Any]:
        return {"names": model.class_names(), "ndarray": scores.tolist()}

    stand_ins: dict[str, dict[str, Any]] = {
        "seldon_core": {"Storage": SimpleNamespace(download=lambda uri: uri)},
        "seldon_core.flask_utils": {"SeldonMicroserviceException": mistake},
        "seldon_core.proto": {},
        "seldon_core.proto.prediction_pb2": {"SeldonMessage": type("SeldonMessage", (), {})},
        "seldon_core.utils": dict.fromkeys(
            ["construct_response", "get_meta_from_proto", "seldon_message_to_json"], lambda *_: None
        )
        | {"construct_response_json": answer},
    }
    for name, content in stand_ins.items():
        module = ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)
    specification = spec_from_file_location("HomeostatModel", WRAPPER)
    assert specification is not None
    assert specification.loader is not None
    module = module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def in_seldons_server(wrapper: Any, files: dict[str, bytes], folder: Path) -> Any:
    objects, digest = small_model.stored(files)
    for uri, content in objects.content.items():
        (folder / uri.rpartition("/")[2]).write_bytes(content)
    model = wrapper.HomeostatModel(str(folder), digest)
    model.load()
    return model


@pytest.mark.parametrize("task", small_model.PREDICTED)
def test_the_wrapper_answers_as_the_predictor_does_whatever_the_task(wrapper: Any, task: str, tmp_path: Path) -> None:
    files = small_model.files(task)
    answered = in_seldons_server(wrapper, files, tmp_path).predict_raw({"jsonData": small_model.ROWS})
    objects, digest = small_model.stored(files)
    model = load(objects, small_model.URI, digest)
    columns = {name: [row[name] for row in small_model.ROWS] for name in small_model.DATATYPES}
    assert answered == {"names": model.outputs.columns, "ndarray": model.outputs.table(model.scores(columns))}


@pytest.mark.parametrize(("task", "apart"), [("Regression", 0.1), ("MulticlassClassification", 0.001)])
def test_the_wrapper_serves_no_model_that_does_not_repeat_its_examples(
    wrapper: Any, task: str, apart: float, tmp_path: Path
) -> None:
    files = small_model.files(task)
    examples = json.loads(files["examples.json"])
    recorded = examples[1]["output"]
    examples[1]["output"] = [*recorded[:2], recorded[2] + apart] if isinstance(recorded, list) else recorded + apart
    with pytest.raises(ValueError, match="does not predict its examples as at training"):
        in_seldons_server(wrapper, files | {"examples.json": json.dumps(examples).encode()}, tmp_path)
