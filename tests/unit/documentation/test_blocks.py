"""Blocks of YAML and shell in the documentation can be used as they stand."""

import subprocess
from typing import Any

import pytest
import yaml
from pydantic import ValidationError, create_model

from homeostat.api.v1alpha1 import KINDS
from tools.cluster.helm import helm
from tools.cluster.settings import load
from unit.documentation.pages import REPOSITORY, Block, blocks
from unit.documentation.shell import SHELL as LANGUAGES
from unit.documentation.shell import split, typed

SHELL = blocks(*LANGUAGES)


def _id(block: Block) -> str:
    return f"{block.page}: {block.text.splitlines()[0][:40]}"


@pytest.mark.parametrize("block", blocks("yaml", "yml"), ids=_id)
def test_a_block_of_yaml_can_be_read_and_its_objects_are_valid(block: Block) -> None:
    assert _refusals(block.text) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("apiVersion: homeostat.dev/v1alpha1\nkind: Monitor\nmetadata: {name: churn}\nspec: {signal: []}\n", "signal"),
        ("rollout:\n  step: []\n", "rollout.step"),
        ("pipeline: {name: a}\npipeline: {nam: a}\n", "pipeline.nam"),
        ("roll_out: {steps: []}\n", "no kind has spec.roll_out"),
        ("rollout:\n\tsteps: []\n", "cannot start any token"),
    ],
)
def test_a_broken_block_of_yaml_is_refused(text: str, words: str) -> None:
    (refusal,) = _refusals(text)
    assert words in refusal


def _refusals(text: str) -> list[str]:
    """What is wrong with objects, and with fields of a spec that stand alone; a field may stand there with several values."""
    found: list[str] = []
    try:
        documents = [document for document in yaml.compose_all(text, yaml.SafeLoader) if document is not None]
        for document in documents:
            fields = [(str(key.value), _value(node)) for key, node in document.value]
            whole = dict(fields)
            if "apiVersion" in whole:
                {kind.KIND: kind for kind in KINDS}[whole["kind"]].model_validate(whole)
            else:
                found += [refusal for name, value in fields if (refusal := _refusal_of_field(name, value))]
    except (ValidationError, yaml.YAMLError) as error:
        found.append(str(error))
    return found


def _value(node: yaml.Node) -> Any:
    return yaml.SafeLoader("").construct_document(node)


def _refusal_of_field(name: str, value: Any) -> str:
    """Why no kind takes a value for a field of its spec; empty when one does."""
    refusals = [f"no kind has spec.{name}"]
    for kind in KINDS:
        spec: Any = kind.model_fields["spec"].annotation
        for field, info in spec.model_fields.items():
            if name == (info.alias or field):
                part: dict[str, Any] = {field: (info.annotation, info)}
                try:
                    create_model("Part", **part).model_validate({name: value})
                except ValidationError as error:
                    refusals.append(f"{kind.KIND} refuses {'.'.join(map(str, error.errors()[0]['loc']))}: {error}")
                else:
                    return ""
    return refusals[-1]


@pytest.mark.parametrize("block", SHELL, ids=_id)
def test_a_block_of_shell_can_be_read_by_a_shell(block: Block) -> None:
    done = subprocess.run(["bash", "-n"], input=typed(block.text), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("block", [block for block in SHELL if "helm upgrade --install" in block.text], ids=_id)
def test_an_installation_by_helm_renders_with_the_values_that_are_shown(block: Block) -> None:
    for _, words in split(typed(block.text)):
        assert words[:5] == ("helm", "upgrade", "--install", "homeostat", "charts/homeostat")
        shown = [word for word in words[5:] if word != "…"]
        text = helm(load(), "template", words[3], str(REPOSITORY / words[4]), *shown)
        objects = [found for found in yaml.safe_load_all(text) if found]
        assert {"Deployment", "ClusterRole"} <= {found["kind"] for found in objects}
