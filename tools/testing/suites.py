"""One pytest run per suite: what it counted, how long it took, and the closing table and line."""

import os
import subprocess
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree as ET

from rich.table import Table

from tools.cluster.progress import Timing, console
from tools.cluster.settings import REPOSITORY

BUILD = REPOSITORY / "build"
LISTED_SECONDS = 15.0
"""A test file that takes at least this long has a line of its own in the closing table."""


@dataclass(frozen=True)
class Result:
    """One run of pytest.

    Attributes:
        name: The suite's name; its JUnit report is ``build/<name>.xml``.
        status: pytest's exit status.
        seconds: Wall-clock seconds.
        cases: Counts of passed, failed and skipped tests.
        files: Seconds spent per test file, fixtures included.
    """

    name: str
    status: int
    seconds: float
    cases: Counter[str] = field(default_factory=Counter)
    files: dict[str, float] = field(default_factory=dict)


def run(
    name: str,
    environment: str,
    paths: list[str],
    *,
    variables: dict[str, str] | None = None,
    log: Path | None = None,
    nice: int = 0,
) -> Result:
    """Runs pytest once.

    Args:
        name: The suite's name.
        environment: Virtual environment below ``.venv``.
        paths: Test paths and further pytest options.
        variables: Added to the environment.
        log: File for the output; the terminal if there is none.
        nice: Added to the process's niceness, so that a suite in the background gives way.
    """
    report = BUILD / f"{name}.xml"
    report.unlink(missing_ok=True)
    python = REPOSITORY / ".venv" / environment / "bin" / "python"
    argv = ["nice", "-n", str(nice), str(python), "-m", "pytest", "--quiet", f"--junit-xml={report}", "--durations=5"]
    began = time.monotonic()
    with (log or Path(os.devnull)).open("w") as output:
        done = subprocess.run(
            [*argv, *paths], cwd=REPOSITORY, check=False,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), **(variables or {})},
            stdout=output if log else None, stderr=subprocess.STDOUT if log else None,
        )  # fmt: skip
    cases, files = _counts(report)
    return Result(name, done.returncode, time.monotonic() - began, cases, files)


def _counts(report: Path) -> tuple[Counter[str], dict[str, float]]:
    """Outcomes, and seconds by file, of a JUnit report; empty where pytest wrote none."""
    cases: Counter[str] = Counter()
    files: dict[str, float] = {}
    if not report.exists():
        return cases, files
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 - our own file
        tags = {child.tag for child in case}
        cases["failed" if tags & {"failure", "error"} else "skipped" if "skipped" in tags else "passed"] += 1
        file = case.get("classname", "").removeprefix("tests.").replace(".", "/")
        files[file] = files.get(file, 0.0) + float(case.get("time", 0))
    return cases, files


def existing(*paths: str) -> list[str]:
    """Those of `paths` that contain tests."""
    return [path for path in paths if any((REPOSITORY / path).rglob("test_*.py"))]


def failing(results: list[Result]) -> list[str]:
    """Names of the suites that failed; one that broke before it could write a report counts, too."""
    return [each.name for each in results if each.status]


def closing(results: list[Result]) -> str:
    """The closing line, ``N passed, N failed, N skipped``, which `tools.targets` reads."""
    total = sum((each.cases for each in results), Counter())
    return f"{total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped"


def table(results: list[Result], timings: list[Timing]) -> Table:
    """Where the time went.

    Args:
        results: Suites; their slow files follow them.
        timings: What was no suite, such as the start of the cluster; some of it ran at the same time.
    """
    rows = Table("what", "seconds", "passed", "failed", title="where the time went")
    for timing in timings:
        rows.add_row(timing.label, f"{timing.seconds:.0f}")
    for each in results:
        rows.add_row(each.name, f"{each.seconds:.0f}", str(each.cases["passed"]), str(each.cases["failed"]))
        for file, seconds in sorted(each.files.items(), key=lambda pair: -pair[1]):
            if seconds >= LISTED_SECONDS:
                rows.add_row(f"  {file}", f"{seconds:.0f}")
    return rows


def show(result: Result, log: Path) -> None:
    """Prints the whole output of a suite that ran in the background."""
    console.rule(f"{result.name} (in the background, {result.seconds:.0f} s)")
    print(log.read_text(errors="replace"), flush=True)
