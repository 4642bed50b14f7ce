"""`python -m tools.testing`: every test in its environment, on a cluster that is brought up for it, with one closing line."""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO
from xml.etree import ElementTree as ET

from rich.table import Table

from tools.cluster import down, preflight, settings, up
from tools.cluster.progress import console
from tools.cluster.settings import REPOSITORY, Settings, UserError
from tools.images.build import ready
from tools.kubeflow import install as kubeflow
from tools.seldon import install as seldon

BUILD = REPOSITORY / "build"
STORY = "tests/e2e/test_churn_story.py"
DISTURBED = ("tests/e2e/test_faults.py", "tests/e2e/test_faults_monitor.py", "tests/e2e/test_faults_rollout.py")
PIPELINES_TESTS = ("tests/unit/pipelines", "tests/contract/feast")


@dataclass(frozen=True)
class Counterpart:
    """A system that engines are tried against.

    Attributes:
        up: Puts it on the cluster.
        told: What the story is told of it.
        tests: Its tests, which look at the story's platform too.
        faults: Tests that take long, because they disturb what runs; not part of all tests.
        variables: What they are told by their environment.
    """

    up: Callable[[Settings], None]
    told: tuple[str, ...]
    tests: tuple[str, ...]
    faults: tuple[str, ...]
    variables: dict[str, str] = field(default_factory=dict)


COUNTERPARTS = {
    "kubeflow": Counterpart(
        kubeflow.up,
        ("--engine", "Kubeflow"),
        ("tests/kubeflow/test_backend.py", "tests/contract/engines/test_pipelines.py"),
        ("tests/kubeflow/test_loop.py", "tests/kubeflow/test_trainings.py", *DISTURBED),
        {"HOMEOSTAT_CONTRACT_KUBEFLOW": "yes"},
    ),
    "seldon": Counterpart(
        seldon.up, ("--serving", "Seldon"), ("tests/seldon",), (*DISTURBED, "tests/e2e/test_faults_training.py")
    ),
}


@dataclass
class Totals:
    """What all runs of pytest counted."""

    counted: dict[str, int] = field(default_factory=lambda: {"tests": 0, "failures": 0, "errors": 0, "skipped": 0})
    broken: list[str] = field(default_factory=list)

    def add(self, name: str, status: int) -> None:
        """Adds a run by its JUnit report; a run without one, or that failed without a failed test, is broken."""
        report = BUILD / f"{name}.xml"
        suites = list(ET.parse(report).iter("testsuite")) if report.exists() else []  # noqa: S314 - our own file
        for suite in suites:
            for key in self.counted:
                self.counted[key] += int(suite.get(key, 0))
        if status:
            self.broken.append(name)

    def closing(self) -> str:
        """The plain closing line."""
        failed = self.counted["failures"] + self.counted["errors"]
        passed = self.counted["tests"] - failed - self.counted["skipped"]
        return f"{passed} passed, {failed} failed, {self.counted['skipped']} skipped"


def run(totals: Totals, name: str, environment: str, paths: list[str], **variables: str) -> None:
    """One run of pytest; its report goes to build/<name>.xml."""
    console.rule(name)
    report = BUILD / f"{name}.xml"
    report.unlink(missing_ok=True)
    python = REPOSITORY / ".venv" / environment / "bin" / "python"
    done = subprocess.run(
        [str(python), "-m", "pytest", "--quiet", f"--junit-xml={report}", "--durations=5", *paths],
        cwd=REPOSITORY, check=False,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), **variables},
    )  # fmt: skip
    totals.add(name, done.returncode)


def _existing(*paths: str) -> list[str]:
    return [path for path in paths if any((REPOSITORY / path).rglob("test_*.py"))]


def units(totals: Totals) -> None:
    """What needs no cluster."""
    ignored = [f"--ignore={path}" for path in PIPELINES_TESTS]
    run(totals, "unit", "platform", [*_existing("tests/unit", "tests/golden"), *ignored])
    run(totals, "pipelines", "pipelines", _existing(*PIPELINES_TESTS))
    run(totals, "seldon_python", "platform", _existing("tests/seldon_python"))


def on_cluster(totals: Totals, cluster: Settings) -> None:
    """Contract tests and the story on a cluster of their own, which is taken down after."""
    if up.running(cluster):
        raise UserError(
            "A cluster of this checkout is up, perhaps with a demo on it; end it with `make demo-down` first."
        )
    preflight.packages({"chromium": ("chromium", "the browser that looks at the console")})
    try:
        ready(cluster)
        reach = {"KUBECONFIG": str(cluster.kubeconfig)}
        early = _existing(*(f"tests/contract/{part}" for part in ("crds", "router", "observer", "serving")))
        run(totals, "contract", "platform", early, **reach)
        # The adapters' contracts last: they need the release that the story leaves up to the end of the run.
        installed = _existing("tests/e2e", "tests/contract/operators", "tests/contract/engines")
        run(totals, "e2e", "platform", installed, **reach)
        with_counterparts(totals, cluster, list(COUNTERPARTS), faults=False)
    finally:
        if up.running(cluster):
            _demo("down")  # its customers are a process of this machine, not of the cluster
        down.down(cluster)


def with_counterparts(totals: Totals, cluster: Settings, names: list[str], *, faults: bool) -> None:
    """The story with other engines, then what the adapters rely on, on its platform; a table of how long each took.

    Args:
        totals: Receives the counts.
        cluster: A cluster that runs and has the images.
        names: Of COUNTERPARTS.
        faults: Whether what runs is disturbed as well.
    """
    name = "-".join(names)
    log = BUILD / f"{name}.log"
    took: dict[str, float] = {}
    for each in names:
        with _timed(took, f"{each} comes up, compiled where it was not"):
            COUNTERPARTS[each].up(cluster)
    with _timed(took, "the story"):
        _tell(log, [word for each in names for word in COUNTERPARTS[each].told])
    tests = [STORY, *(path for each in names for path in COUNTERPARTS[each].tests)]
    if faults:
        tests += dict.fromkeys(path for each in names for path in COUNTERPARTS[each].faults)
    variables = {key: value for each in names for key, value in COUNTERPARTS[each].variables.items()}
    variables |= {"KUBECONFIG": str(cluster.kubeconfig), "HOMEOSTAT_STORY": str(log)}
    with _timed(took, "the tests on its platform"):
        run(totals, name, "platform", tests, **variables)
    table = Table("what", "seconds", title=f"the story with {' and '.join(names)}")
    for what, seconds in took.items():
        table.add_row(what, f"{seconds:.0f}")
    console.print(table)


@contextmanager
def _timed(took: dict[str, float], what: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    took[what] = time.monotonic() - began


def _tell(log: Path, options: list[str]) -> None:
    """Tells the story, to be seen and to be read again.

    Raises:
        UserError: it did not come to its end.
    """
    with log.open("w") as kept:
        if _demo("up", *options, kept=kept):
            raise UserError(f"the story did not come to its end; see {log}")


def _demo(*words: str, kept: TextIO | None = None) -> int:
    """Runs the demo's command, shows what it says and keeps a copy; its exit status."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-m", "tools.demo", *words]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as told:
        for line in told.stdout or ():
            print(line, end="", flush=True)
            if kept is not None:
                kept.write(line)
    return told.returncode


def main() -> int:
    """Runs the tests; 1 if any failed."""
    parser = argparse.ArgumentParser(prog="testing", description=__doc__)
    parser.add_argument("--unit", action="store_true", help="only what needs no cluster")
    parser.add_argument(
        "--with", dest="counterparts", nargs="+", choices=COUNTERPARTS, default=[],
        help="only the story with these, its faults and their tests, on the cluster that is up",
    )  # fmt: skip
    chosen = parser.parse_args()
    BUILD.mkdir(exist_ok=True)
    totals = Totals()
    try:
        if chosen.counterparts:
            with_counterparts(totals, settings.load(), chosen.counterparts, faults=True)
        else:
            units(totals)
            if not chosen.unit:
                on_cluster(totals, settings.load())
    except (UserError, TimeoutError, subprocess.CalledProcessError) as error:
        console.print(str(error), style="red", markup=False)
        totals.broken.append("cluster")
    if totals.broken:
        print(f"failed: {', '.join(totals.broken)}")
    print(totals.closing())
    return 1 if totals.broken else 0


if __name__ == "__main__":
    sys.exit(main())
