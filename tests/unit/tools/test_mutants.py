import sys
from importlib import import_module
from pathlib import Path

import pytest

from tools.mutants import __main__ as tool
from tools.mutants.generate import mutants
from tools.mutants.worker import note_calls, ran, transplant

TARGETS = """
[[module]]
name = "sample"
path = "{path}"
environment = "platform"
tests = ["{tests}"]
"""


@pytest.fixture
def lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tool, "LISTS", tmp_path)
    return tmp_path / "targets.toml"


@pytest.mark.parametrize(
    ("path", "tests", "missing"),
    [("src/gone.py", "tests/unit/tools", "src/gone.py"), ("tools/targets.py", "tests/unit/gone", "tests/unit/gone")],
)
def test_a_file_of_the_list_that_does_not_exist_is_named(lists: Path, path: str, tests: str, missing: str) -> None:
    lists.write_text(TARGETS.format(path=path, tests=tests))
    with pytest.raises(SystemExit, match=f"sample: there is no {missing}"):
        tool.targets()


def test_every_listed_module_and_its_tests_exist() -> None:
    assert len(tool.targets()) > 10


def test_a_comparison_is_changed_at_its_boundary_and_in_each_number() -> None:
    keys = [mutant.key for mutant in mutants("def enough(n: int) -> bool:\n    return n >= 2\n")]
    assert keys == ["enough: compare: n >= 2 -> n > 2", "enough: constant: 2 -> 3"]


def test_every_listed_survivor_is_of_a_listed_module_and_has_a_reason() -> None:
    modules = {target.name for target in tool.targets()}
    for (module, _), reason in tool.survivors().items():
        assert module in modules
        assert reason.endswith(".")


def test_a_changed_variable_changes_the_defaults_that_are_read_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = "SEED = 1\n\ndef draw(seed: int = SEED, *, other: int = SEED) -> int:\n    return seed + other\n"
    (tmp_path / "sample_of_defaults.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    module = import_module("sample_of_defaults")
    monkeypatch.delitem(sys.modules, "sample_of_defaults")
    draw = module.draw
    transplant(module, next(mutant for mutant in mutants(source) if mutant.where == "SEED"))
    assert draw() == 4


def test_functions_and_methods_note_that_they_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = "def total(*numbers):\n    'Adds.'\n    return sum(numbers)\n\nclass Purse:\n    def __init__(self):\n        self.n = 1\n\n"
    source += "    @property\n    def coins(self):\n        return total(self.n)\n"
    (tmp_path / "sample_of_calls.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    module = import_module("sample_of_calls")
    monkeypatch.delitem(sys.modules, "sample_of_calls")
    noted: set[str] = set()
    note_calls(module, noted)
    assert module.total(1, 2) == 3
    assert noted == {"sample_of_calls:total"}
    assert module.Purse().coins == 1
    assert noted == {f"sample_of_calls:{name}" for name in ("total", "Purse.__init__", "Purse.coins")}


def test_modules_with_the_same_tests_are_one_group(lists: Path) -> None:
    target = TARGETS.format(path="tools/targets.py", tests="tests/unit/tools")
    lists.write_text(target + target.replace("sample", "second") + target.replace("unit/tools", "golden"))
    assert [[one.name for one in group] for group in tool.grouped(tool.targets())] == [["sample", "second"], ["sample"]]


def an_outcome(name: str, changes: int, **answers: str) -> tool.Outcome:
    return tool.Outcome(tool.Target(name, "", "platform", ()), [f"{name} {n}" for n in range(changes)], answers)


def test_a_module_of_which_no_change_was_tried_fails_the_run(lists: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (lists.parent / "survivors.toml").write_text("")
    noticed = an_outcome("noticed", 1, **{"noticed 0": "killed"})
    assert tool.report([noticed]) == 0
    assert tool.report([noticed, an_outcome("empty", 0)]) == 0
    assert tool.report([noticed, an_outcome("late", 1)]) == 1
    assert "late: no change was tried" in capsys.readouterr().out


def test_one_change_that_no_test_notices_fails_the_run(lists: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (lists.parent / "survivors.toml").write_text("")
    assert (
        tool.report([an_outcome("blind", 99, **{f"blind {n}": "killed" for n in range(98)} | {"blind 98": "survived"})])
        == 1
    )
    assert "not noticed: blind: blind 98" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("where", "noticed"),
    [
        ("total", True),
        ("Purse.coins", True),
        ("total.inner", True),
        ("Purse.coins.inner", True),
        ("Purse.other", False),
    ],
)
def test_a_function_inside_another_runs_where_the_outer_one_runs(where: str, noticed: bool) -> None:
    assert ran("sample", where, ["sample:total", "sample:Purse.coins"]) is noticed
