import subprocess
import sys
from pathlib import Path

import pytest

from tools.targets import REPOSITORY, Outcome, run, table
from tools.testing.suites import BUILD, closing, failing
from tools.testing.suites import run as run_suite


@pytest.fixture
def make(tmp_path: Path) -> str:
    """A stand-in for make: `good` counts tests, `bad` fails, everything else passes silently."""
    program = tmp_path / "make"
    program.write_text(
        "#!/bin/sh\n"
        'case "$2" in\n'
        "  good) echo '7 passed, 0 failed, 1 skipped';;\n"
        "  bad) echo '5 passed, 2 failed, 0 skipped'; exit 1;;\n"
        "esac\n"
    )
    program.chmod(0o755)
    return str(program)


def test_a_targets_closing_line_is_what_it_counted(make: str) -> None:
    outcome = run("good", make)

    assert (outcome.status, outcome.passed, outcome.failed) == (0, "7", "0")


def test_a_target_that_fails_is_marked_with_what_it_counted(make: str) -> None:
    outcome = run("bad", make)

    assert (outcome.status, outcome.passed, outcome.failed) == (1, "5", "2")
    assert "failed" in table([outcome]).splitlines()[1]


def test_a_target_without_tests_counts_none(make: str) -> None:
    assert run("lint", make).passed == ""


def test_the_table_ends_with_all_seconds() -> None:
    assert table([Outcome("one", 0, 3.0), Outcome("two", 0, 4.0)]).splitlines()[-1].split() == ["all", "7"]


@pytest.mark.parametrize(("options", "run_targets"), [([], 1), (["--keep-going"], 2)])
def test_a_failure_ends_the_run_unless_it_is_to_go_on(options: list[str], run_targets: int, tmp_path: Path) -> None:
    program = tmp_path / "make"
    program.write_text('#!/bin/sh\necho "ran $2"\nexit 1\n')
    program.chmod(0o755)

    done = subprocess.run(
        [sys.executable, "-m", "tools.targets", *options, "one", "two"],
        cwd=REPOSITORY, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 1
    assert done.stdout.count("ran ") == run_targets


def test_a_suite_counts_by_outcome_and_file_and_a_background_run_keeps_its_output(tmp_path: Path) -> None:
    BUILD.mkdir(exist_ok=True)
    tests = tmp_path / "test_sample.py"
    tests.write_text(
        "import pytest\n"
        "def test_one(): pass\n"
        "def test_two(): assert 1 == 2, 'one is not two'\n"
        "@pytest.mark.skip\n"
        "def test_three(): pass\n"
    )
    log = tmp_path / "suite.log"

    result = run_suite("sample-of-a-suite", "platform", [str(tests), f"--rootdir={tmp_path}"], log=log, nice=1)

    assert result.cases == {"passed": 1, "failed": 1, "skipped": 1}
    assert list(result.files) == ["test_sample"]
    assert "one is not two" in log.read_text()
    assert failing([result]) == ["sample-of-a-suite"]
    assert closing([result, result]) == "2 passed, 2 failed, 2 skipped"


def test_a_suite_that_breaks_before_it_counts_is_a_failure() -> None:
    BUILD.mkdir(exist_ok=True)

    result = run_suite("no-suite", "platform", ["tests/there-is-no-such-folder"])

    assert failing([result]) == ["no-suite"]
    assert closing([result]) == "0 passed, 0 failed, 0 skipped"
