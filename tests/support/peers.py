"""Programs that do the same work, each in a process of its own, in turns: their CPU seconds and memory, and the ratios of these.

A program is Python text between START and END: it sets `total`, a sum by which one sees that all did the same, and calls
`begin()` after its imports.
"""

import json
import statistics
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
OURS, PEERS = (REPOSITORY / ".venv" / name / "bin" / "python" for name in ("pipelines", "benchmarks"))

START = """
import sys, json, resource, warnings
import pandas  # pyarrow imports it with the first NumPy array, in the middle of the work
warnings.filterwarnings("ignore")
from pathlib import Path
folder, words = Path(sys.argv[1]), sys.argv[2:]
def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
def begin():
    global imports
    imports = cpu()
"""
END = """
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"cpu": cpu() - imports, "imports": imports, "peak": peak, "total": round(float(total), 3)}))
"""

# Student's t, two-sided 95 %, by degrees of freedom.
_T = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}


@dataclass(frozen=True)
class Program:
    """What is measured."""

    text: str
    python: Path = PEERS


def run(program: Program, *words: str) -> dict[str, float]:
    """Figures of one run of a program."""
    argv = [str(program.python), "-c", START + program.text + END, *words]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, cwd=REPOSITORY)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return dict(json.loads(done.stdout.splitlines()[-1]))


def compare(programs: Mapping[str, Program], rounds: int, *words: str) -> None:
    """Prints CPU seconds and peak memory of the programs, and the CPU seconds of each over those of the first one."""
    names = list(programs)
    figures: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for number in range(rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            figures[name].append(run(programs[name], *words))
    totals = {figure["total"] for each in figures.values() for figure in each}
    sys.stdout.write(f"{rounds} rounds; all agree: {len(totals) == 1}\n")
    first = [figure["cpu"] for figure in figures[names[0]]]
    for name, each in figures.items():
        cpu = [figure["cpu"] for figure in each]
        ratios = [there / here for there, here in zip(cpu, first, strict=True)]
        sys.stdout.write(
            f"{name:24} {statistics.median(cpu):7.2f} CPU s, after {statistics.median(f['imports'] for f in each):4.1f} for "
            f"imports; peak {max(f['peak'] for f in each):6.0f} MiB; CPU over {names[0]}: {interval(ratios)}\n"
        )


def interval(ratios: list[float]) -> str:
    """Mean and 95 % interval."""
    mean = statistics.mean(ratios)
    if len(ratios) < 2:
        return f"{mean:.2f} (one round)"
    half = _T[len(ratios) - 1] * statistics.stdev(ratios) / len(ratios) ** 0.5
    return f"{mean:.2f} (95 % interval {mean - half:.2f} to {mean + half:.2f})"
