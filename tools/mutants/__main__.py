"""`python -m tools.mutants`: changes one decision at a time and names the changes that no test notices.

tests/mutants/targets.toml lists the modules with the tests that must notice; tests/mutants/survivors.toml the changes that
none notices, each with its reason. Ends with 1 on a survivor that is not listed, on a listed one that is noticed after all or that
no longer exists, and on a module of which no change was tried.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tools.mutants.generate import mutants

REPOSITORY = Path(__file__).parents[2]
LISTS = REPOSITORY / "tests" / "mutants"
SURVIVED = {"survived", "uncovered"}
console = Console(stderr=True)


@dataclass(frozen=True)
class Target:
    """A module whose decisions are changed.

    Attributes:
        name: Of the module.
        path: Its file, from the repository's root.
        environment: Virtual environment of its tests.
        tests: Files and folders whose tests must notice.
    """

    name: str
    path: str
    environment: str
    tests: tuple[str, ...]


@dataclass
class Outcome:
    """What became of a module's mutants."""

    target: Target
    keys: list[str]
    """What names each of its mutants."""
    answers: dict[str, str] = field(default_factory=dict)
    """Outcome by mutant's key."""
    trouble: str = ""

    @property
    def survivors(self) -> list[str]:
        """Keys of mutants that no test noticed."""
        return [key for key, outcome in self.answers.items() if outcome in SURVIVED]


def targets() -> list[Target]:
    """The modules of targets.toml.

    Raises:
        SystemExit: A module's file or tests do not exist.
    """
    listed = tomllib.loads((LISTS / "targets.toml").read_text())["module"]
    found = [Target(**{**one, "tests": tuple(one["tests"])}) for one in listed]
    missing = [
        f"{target.name}: there is no {path}"
        for target in found
        for path in (target.path, *target.tests)
        if not (REPOSITORY / path).exists()
    ]
    if missing:
        raise SystemExit("\n".join(["tests/mutants/targets.toml names files that do not exist:", *missing]))
    return found


def keys_of(target: Target) -> list[str]:
    """What names each mutant of a module."""
    return [mutant.key for mutant in mutants((REPOSITORY / target.path).read_text())]


def grouped(wanted: list[Target]) -> list[list[Target]]:
    """The modules in groups whose tests are the same, which are collected and timed once for all; the largest group first."""
    groups: dict[tuple[str, ...], list[Target]] = {}
    for target in wanted:
        groups.setdefault((target.environment, *target.tests), []).append(target)
    return sorted(groups.values(), key=_changes_of, reverse=True)


def _changes_of(group: list[Target]) -> int:
    return sum(len(keys_of(target)) for target in group)


def survivors() -> dict[tuple[str, str], str]:
    """Reasons of survivors.toml by module and key."""
    listed = tomllib.loads((LISTS / "survivors.toml").read_text()).get("survivor", [])
    return {(one["module"], one["key"]): one["reason"] for one in listed}


def changed() -> set[str]:
    """Files that changed since the commit of the last release; all of them where Git does not have that commit."""
    commit = (LISTS / "released").read_text().strip()
    command = ["git", "diff", "--name-only", commit, "--", "."]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    return {target.path for target in targets()} if done.returncode else set(done.stdout.split())


def tried(group: list[Target], seed: int, limit: int | None) -> list[Outcome]:
    """Tries mutants of modules with the same tests in an order drawn by `seed`, at most `limit` of each module."""
    outcomes = {target.name: Outcome(target, keys_of(target)) for target in group}
    lines: list[str] = []
    for one in outcomes.values():
        keys = list(one.keys)
        random.Random(f"{seed} {one.target.name}").shuffle(keys)
        lines += [f"{one.target.name}\t{key}" for key in keys[:limit]]
    first = group[0]
    python = REPOSITORY / ".venv" / first.environment / "bin" / "python"
    command = [str(python), "-m", "tools.mutants.worker", ",".join(outcomes), *first.tests]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        command, input="\n".join(lines) + "\n", cwd=REPOSITORY, env=environment, check=False,
        capture_output=True, text=True,
    )  # fmt: skip
    for line in done.stdout.splitlines():
        answer: dict[str, Any] = json.loads(line)
        if "key" in answer:
            outcomes[answer["module"]].answers[answer["key"]] = answer["outcome"]
        elif answer["baseline"]:
            outcomes[first.name].trouble = f"these fail without any change: {', '.join(answer['baseline'])}"
    if not done.stdout:
        outcomes[first.name].trouble = done.stderr[-2000:]
    known = survivors()
    lines = []
    for name, one in outcomes.items():
        counted = f"{len(one.answers)} of {len(one.keys)} changes tried, {len(one.survivors)} not noticed"
        lines.append(f"{name}: {counted} {one.trouble}".rstrip())
        lines += [f"  not noticed: {key}" for key in one.survivors if (name, key) not in known]
    # One write, so that the lines of groups that end at the same time stay together.
    console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)
    return list(outcomes.values())


def stale(outcomes: list[Outcome]) -> list[str]:
    """Listed survivors that are noticed after all or no longer exist."""
    found = []
    by_module = {outcome.target.name: outcome for outcome in outcomes}
    for module, key in survivors():
        outcome = by_module.get(module)
        if outcome is None:
            continue
        if key not in outcome.keys:
            found.append(f"{module}: {key}: no longer exists")
        elif outcome.answers.get(key, "survived") not in SURVIVED:
            found.append(f"{module}: {key}: is noticed; take it off the list")
    return found


def report(outcomes: list[Outcome]) -> int:
    """Prints the table and what is wrong; the exit status."""
    known = survivors()
    table = Table("module", "changes", "tried", "noticed", "not noticed", "of these listed")
    unlisted: list[str] = []
    for one in outcomes:
        listed = [key for key in one.survivors if (one.target.name, key) in known]
        unlisted += [f"{one.target.name}: {key}" for key in one.survivors if key not in listed]
        count = len(one.answers)
        share = f"{100 * (count - len(one.survivors)) / count:.0f} %" if count else "-"
        table.add_row(one.target.name, str(len(one.keys)), str(count), share, str(len(one.survivors)), str(len(listed)))
    Console(width=120).print(table)
    for line in unlisted:
        print(f"not noticed: {line}")
    gone = stale(outcomes)
    for line in gone:
        print(f"listed in {(LISTS / 'survivors.toml').relative_to(REPOSITORY)}: {line}")
    broken = [one for one in outcomes if one.trouble]
    for one in broken:
        print(f"{one.target.name}: {one.trouble}")
    total = sum(len(one.answers) for one in outcomes)
    untried = [one.target.name for one in outcomes if one.keys and not one.answers]
    for name in untried:
        print(f"{name}: no change was tried")
    print(f"{total} changes tried, {len(unlisted)} not noticed and not listed")
    return 1 if gone or broken or untried or unlisted else 0


def main() -> int:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(prog="mutants", description=__doc__)
    parser.add_argument("modules", nargs="*", help="only modules whose name contains one of these")
    parser.add_argument("--changed", action="store_true", help="only modules that changed since the last release")
    parser.add_argument("--limit", type=int, help="changes per module")
    parser.add_argument("--seed", type=int, default=1, help="of the order in which changes are tried")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    chosen = parser.parse_args()
    files = changed() if chosen.changed else None
    wanted = [
        target
        for target in targets()
        if (files is None or target.path in files)
        and (not chosen.modules or any(part in target.name for part in chosen.modules))
    ]
    if not wanted:
        print("no module to change")
        return 0
    groups = grouped(wanted)
    with ThreadPoolExecutor(chosen.workers) as pool:
        done = pool.map(lambda group: tried(group, chosen.seed, chosen.limit), groups)
        outcomes = [one for group in done for one in group]
    return report(outcomes)


if __name__ == "__main__":
    sys.exit(main())
