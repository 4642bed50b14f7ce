import ast
import re
from pathlib import Path

from pydantic import BaseModel

from homeostat.artifacts.bundle import MANIFEST, BundleManifest, digest_of
from homeostat.artifacts.model import EXAMPLES, MODEL, SIGNATURE, Example
from homeostat.artifacts.signature import Datatype, ModelInput, ModelOutput, Signature
from homeostat_services.predictor.outputs import ROUNDING, TOLERANCE

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
