"""CPU seconds of a training on the real churn data, beside those of the first version, interleaved in one run.

Run by `make bench`. The peer is this repository's own commit PEER, which ran each step in a process of its own, with OpenMP
threads that spin. Both work on an S3 of the benchmark's own, and where a control group can be made, under a quota of one
CPU, as in a pod with that limit. Prints user and system CPU seconds of the whole process tree, and their ratio with a
95 % interval over the rounds.
"""

import io
import json
import os
import resource
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from homeostat.engines.objects.s3 import S3Objects
from homeostat.runs import TrainInput
from homeostat.settings import S3Settings
from support import seaweedfs
from tools.demo import churn

PEER = "dd6a469"
REPOSITORY = Path(__file__).parents[2]
PYTHON = REPOSITORY / ".venv" / "pipelines" / "bin" / "python"
SAMPLE = REPOSITORY / "manifests" / "samples" / "churn" / "10-featureset.yaml"
LABELS = "s3://homeostat/churn/labels/"
SNAPSHOT = "s3://homeostat/bench/customers.parquet"

ROUNDS = int(os.environ.get("ROUNDS", "5"))
# Student's t, two-sided 95 %, by degrees of freedom.
T = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}


@contextmanager
def object_store() -> Iterator[dict[str, str]]:
    """An S3 with the customers and their outcomes; the environment of a run that reads them."""
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), seaweedfs.free_port()
        argv = seaweedfs.command(PYTHON.parent / "weed", folder, port)
        with (folder / "log").open("wb") as log, subprocess.Popen(argv, stdout=log, stderr=log) as server:
            try:
                while not seaweedfs.bucket_made(port):
                    if server.poll() is not None:
                        raise RuntimeError((folder / "log").read_text())
                    time.sleep(0.1)
                environment = seaweedfs.environment(port)
                fill(environment)
                yield environment
            finally:
                server.kill()


def fill(environment: dict[str, str]) -> None:
    """Writes all customers of the data set, and whether each has left."""
    settings = {key.removeprefix("HOMEOSTAT_S3_").lower(): value for key, value in environment.items()}
    objects = S3Objects(S3Settings.model_validate(settings))
    scenario = churn.scenario()
    everybody = pd.concat([scenario.old, scenario.early, scenario.late])
    now = datetime.now(UTC)
    objects.write(SNAPSHOT, scenario.features(everybody, now - timedelta(hours=2)))
    objects.write(f"{LABELS}part-0.parquet", scenario.labels(everybody, now))


def document(output: str) -> dict[str, Any]:
    """The input of a training as PEER wrote it."""
    spec = yaml.safe_load(SAMPLE.read_text())["spec"]
    source = {
        "name": "customers", "entities": spec["entities"], "timestampField": spec["timestampField"],
        "features": spec["features"], "ttlSeconds": 365 * 86_400, "schemaHash": "sha256:bench", "snapshotUri": SNAPSHOT,
    }  # fmt: skip
    label = {
        "uri": LABELS, "entityField": churn.ENTITY, "field": "churned", "timestampField": "predicted_at",
    }  # fmt: skip
    return {
        "namespace": "churn", "model": "churn", "featureSets": [source], "labels": [label], "windowSeconds": None,
        "holdoutPercent": 20, "pipeline": "tabular-classification", "parameters": {}, "seed": 7, "image": "", "gpus": 0,
        "datasets": f"{output}datasets/", "models": f"{output}models/", "output": output,
    }  # fmt: skip


@contextmanager
def cpu_quota() -> Iterator[list[Path]]:
    """Files that put a process under a quota of one CPU when its id is written there; none where that is not possible."""
    for root, files in (
        (Path("/sys/fs/cgroup/cpu"), {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "100000"}),
        (Path("/sys/fs/cgroup"), {"cpu.max": "100000 100000"}),
    ):
        group = root / f"homeostat-bench-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            for name, value in files.items():
                (group / name).write_text(value)
        except OSError:  # this hierarchy does not control the CPU
            group.rmdir()
            continue
        try:
            yield [group / "cgroup.procs"]
        finally:
            group.rmdir()
        return
    yield []


def measure(code: Path, job: str, environment: dict[str, str], groups: list[Path]) -> float:
    """CPU seconds of one training by the code in a folder, user and system, of all its processes."""

    def enter() -> None:
        for group in groups:
            group.write_text(str(os.getpid()))

    path = os.pathsep.join(str(code / part) for part in ("src", "pipelines"))
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "HOMEOSTAT_"))}
    variables = {**inherited, **environment, "PYTHONPATH": path, "HOMEOSTAT_INPUT": job, "FEAST_USAGE": "False"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [str(PYTHON), "-W", "ignore", "-m", "homeostat_pipelines", "train"],
        env=variables, check=True, preexec_fn=enter, capture_output=True, cwd=code,
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> int:
    """Measure in turns and print."""
    archive = subprocess.run(
        ["git", "archive", PEER, "src", "pipelines"], cwd=REPOSITORY, check=False, capture_output=True
    )
    if archive.returncode:
        print(f"the history of this checkout lacks {PEER}: {archive.stderr.decode().strip()}")  # noqa: T201 - a benchmark prints
        return 1
    with tempfile.TemporaryDirectory() as peer, object_store() as environment, cpu_quota() as groups:
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
            files.extractall(peer, filter="data")
        jobs = [
            TrainInput.model_validate(document("s3://homeostat/bench/now/")).model_dump_json(by_alias=True),
            json.dumps(document("s3://homeostat/bench/then/")),
        ]
        sides = list(zip((REPOSITORY, Path(peer)), jobs, strict=True))
        # The first round compiles byte code and is not counted.
        rounds = [[measure(*side, environment, groups) for side in sides] for _ in range(ROUNDS + 1)][1:]
    quota = "a quota of one CPU" if groups else "no CPU quota, for no control group could be made"
    print(f"a training on 7,043 customers under {quota}; {ROUNDS} rounds")  # noqa: T201 - as above
    for name, column in zip(("now", PEER), zip(*rounds, strict=True), strict=True):
        print(f"{name:>8}: {statistics.median(column):6.1f} CPU seconds ({min(column):.1f} to {max(column):.1f})")  # noqa: T201 - as above
    ratios = [now / then for now, then in rounds]
    mean, half = statistics.mean(ratios), T[ROUNDS - 1] * statistics.stdev(ratios) / ROUNDS**0.5
    print(f"   ratio: {mean:6.2f} (95 % interval {mean - half:.2f} to {mean + half:.2f})")  # noqa: T201 - as above
    return 0


if __name__ == "__main__":
    sys.exit(main())
