"""Seconds and pods of a training by its engine, the same package on the same platform, interleaved.

Usage: python tests/kubeflow/benchmark.py [rounds]

On the platform that `make e2e-kubeflow` leaves behind. Seconds go from the reservation of the attempt to its end as the
operator sees it; pods are those that the run has made.
"""

import json
import statistics
import sys
from datetime import datetime
from typing import Any

import yaml

from tools.cluster import settings
from tools.cluster.settings import REPOSITORY
from tools.demo.release import NAMESPACE, Platform
from tools.demo.story import condition, field
from tools.waiting import until

SAMPLE = REPOSITORY / "manifests" / "samples" / "churn" / "20-trainingjob.yaml"
ENGINES = ("Local", "Kubeflow")
STEPS = 3
PATIENCE = 600.0

Object = dict[str, Any]


def training(platform: Platform, name: str, engine: str) -> Object:
    """A TrainingJob once it has ended well."""
    job: Object = yaml.safe_load(SAMPLE.read_text())
    job["metadata"]["name"] = name
    job["spec"] |= {"engine": engine, "output": {"model": "benchmark"}}
    platform.kubectl("-n", NAMESPACE, "apply", "-f", "-", text=yaml.safe_dump(job))
    found = until(
        f"the end of {name}",
        lambda: platform.get("trainingjob", name) or {},
        lambda job: condition(job, "Succeeded").get("status") in {"True", "False"},
        PATIENCE,
        every=0.5,
    )
    if condition(found, "Succeeded").get("status") == "False":
        raise SystemExit(f"{name} did not end well: {json.dumps(field(found, 'status.conditions'), indent=1)}")
    return found


def seconds(job: Object) -> float:
    """Length of its attempt."""
    start, end = (datetime.fromisoformat(field(job, f"status.run.{edge}Time")) for edge in ("start", "completion"))
    return (end - start).total_seconds()


def pods(platform: Platform, job: Object) -> int:
    """Pods that its run has made; those of a run at Kubeflow bear its identifier."""
    if field(job, "status.run.engine") == "Local":
        return len(platform.listing("pods", NAMESPACE, "-l", f"job-name={field(job, 'status.run.id')}"))
    return len(platform.listing("pods", "kubeflow", "-l", f"pipeline/runid={field(job, 'status.run.uid')}"))


def main() -> None:
    """Prints the table."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    platform = Platform(settings.load())
    lengths: dict[str, list[float]] = {engine: [] for engine in ENGINES}
    counts: dict[str, set[int]] = {engine: set() for engine in ENGINES}
    for number in range(rounds):
        for engine in ENGINES if number % 2 == 0 else reversed(ENGINES):
            name = f"benchmark-{engine.lower()}-{number}"
            job = training(platform, name, engine)
            lengths[engine].append(seconds(job))
            counts[engine].add(pods(platform, job))
            platform.kubectl("-n", NAMESPACE, "delete", "trainingjob", name)
    rows = [
        "| engine | seconds a training, median (least to most) | seconds a step | pods a training | pods a step |",
        "|---|---|---|---|---|",
    ]
    for engine in ENGINES:
        median, made = statistics.median(lengths[engine]), max(counts[engine])
        spread = f"{min(lengths[engine]):.0f} to {max(lengths[engine]):.0f}"
        rows.append(f"| `{engine}` | {median:.0f} ({spread}) | {median / STEPS:.1f} | {made} | {made / STEPS:.1f} |")
    sys.stdout.write("\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
