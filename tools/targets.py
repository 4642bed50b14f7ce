"""`python3 -m tools.targets TARGET…`: runs Make targets one after another and ends with a table of their results.

It needs nothing but the standard library: on a new machine the first target makes the virtual environments.
"""

import argparse
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
_CLOSING = re.compile(r"^(\d+) passed, (\d+) failed, \d+ skipped$")
"""The closing line of `tools.testing`; what counts nothing has none."""


@dataclass(frozen=True)
class Outcome:
    """How a target ended; `passed` and `failed` are empty where it counts no tests."""

    target: str
    status: int
    seconds: float
    passed: str = ""
    failed: str = ""


def run(target: str, make: str = "make") -> Outcome:
    """Runs one target, passes its output through and reads what its tests counted."""
    began = time.monotonic()
    passed = failed = ""
    command = [make, "--no-print-directory", target]
    with subprocess.Popen(
        command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            if counted := _CLOSING.match(line.rstrip()):
                passed, failed = counted.groups()
    return Outcome(target, process.returncode, time.monotonic() - began, passed, failed)


def table(outcomes: list[Outcome]) -> str:
    """One line a target."""
    head = f"{'target':22} {'':6} {'passed':>7} {'failed':>7} {'seconds':>8}"
    rows = [
        f"{each.target:22} {'failed' if each.status else 'ok':6} {each.passed:>7} {each.failed:>7} {each.seconds:8.0f}"
        for each in outcomes
    ]
    return "\n".join([head, *rows, f"{'all':22} {'':6} {'':7} {'':7} {sum(each.seconds for each in outcomes):8.0f}"])


def main() -> int:
    """Runs the targets; 1 if one failed."""
    parser = argparse.ArgumentParser(prog="targets", description=__doc__)
    parser.add_argument("targets", nargs="+")
    parser.add_argument("--keep-going", action="store_true", help="run the next target even if one failed")
    chosen = parser.parse_args()
    outcomes: list[Outcome] = []
    for target in chosen.targets:
        print(f"==== make {target}", flush=True)
        outcomes.append(run(target))
        if outcomes[-1].status and not chosen.keep_going:
            break
    print(f"\n{table(outcomes)}")
    return 1 if any(each.status for each in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
