"""Blocks of YAML and shell in the documentation can be used as they stand."""

import re
import shlex
import subprocess

import pytest
import yaml

from homeostat.api.v1alpha1 import KINDS
from tools.cluster.helm import helm
from tools.cluster.settings import load
from unit.documentation.pages import REPOSITORY, Block, blocks, commands

SHELL = [block for block in blocks("sh", "bash", "console", "shell") if "\n" in block.text]
VALUES = yaml.safe_load((REPOSITORY / "charts/homeostat/values.yaml").read_text())


def _id(block: Block) -> str:
    return f"{block.page}: {block.text.splitlines()[0][:40]}"


@pytest.mark.parametrize("block", blocks("yaml", "yml"), ids=_id)
def test_a_block_of_yaml_can_be_read_and_its_objects_are_valid(block: Block) -> None:
    kinds = {kind.KIND: kind for kind in KINDS}
    for document in yaml.compose_all(block.text):
        assert document is not None
    for found in yaml.safe_load_all(block.text):
        if isinstance(found, dict) and str(found.get("apiVersion", "")).startswith("homeostat.dev/"):
            kinds[found["kind"]].model_validate(found)


@pytest.mark.parametrize("block", SHELL, ids=_id)
def test_a_block_of_shell_is_valid_and_begins_with_a_program_that_is_known(block: Block) -> None:
    script = commands(block).replace("…", "X")
    done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    first = {line.split()[0] for line in script.splitlines() if line and not line.startswith((" ", "#", "}", "\t"))}
    programs = {
        "kubectl",
        "helm",
        "make",
        "curl",
        "cd",
        "docker",
        "git",
        "pip",
        "python",
        "python3",
        "export",
        "skaffold",
    }
    assert {word for word in first if "=" not in word} <= programs


@pytest.mark.parametrize("block", [block for block in SHELL if "helm upgrade --install" in block.text], ids=_id)
def test_an_installation_by_helm_renders_with_the_values_that_are_shown(block: Block) -> None:
    script = commands(block).replace("…", "").replace("\\\n", " ")
    (line,) = (line for line in script.splitlines() if line.startswith("helm upgrade --install"))
    words = shlex.split(line)
    assert words[:5] == ["helm", "upgrade", "--install", "homeostat", "charts/homeostat"]
    chart = str(REPOSITORY / words[4])
    objects = [found for found in yaml.safe_load_all(helm(load(), "template", words[3], chart, *words[5:])) if found]
    assert {"Deployment", "ClusterRole"} <= {found["kind"] for found in objects}


@pytest.mark.parametrize("block", SHELL, ids=_id)
def test_a_value_that_is_set_on_the_chart_is_one_of_its_values(block: Block) -> None:
    for path in re.findall(r"--set '?([\w.]+)=", block.text):
        value = VALUES
        for part in path.split("."):
            assert part in value, f"values.yaml has no {path}"
            value = value[part]
