"""The four kinds are made alike: the same files, and no clock of their own."""

import ast
from pathlib import Path

import pytest

from homeostat.api.v1alpha1 import KINDS

OPERATORS = Path(__file__).parents[3] / "operators"
PACKAGE = OPERATORS / "homeostat_operators"
FILES = {"wiring.py", "observe.py", "observed.py", "plan.py", "children.py", "conditions.py"}
CLOCKS = {"now", "utcnow", "today", "time", "monotonic", "perf_counter"}
FOLDERS = [PACKAGE / kind.KIND.lower() for kind in KINDS]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_kind_has_the_files_of_every_kind(folder: Path) -> None:
    assert {path.name for path in folder.glob("*.py")} >= FILES


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_kind_reads_no_clock(folder: Path) -> None:
    for path in folder.glob("*.py"):
        calls = (node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
        clocks = [ast.unparse(call) for call in calls if isinstance(call, ast.Attribute) and call.attr in CLOCKS]
        assert clocks == [], f"{path.name} asks {clocks}; the loop passes the time"


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_readme_says_what_every_file_of_a_kind_is(folder: Path) -> None:
    readme = (OPERATORS / "README.md").read_text()
    extra = {path.name for path in folder.glob("*.py")} - FILES - {"__init__.py"}
    assert [name for name in sorted(extra) if f"`{folder.name}/{name}`" not in readme] == []
