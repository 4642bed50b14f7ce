"""Threads follow the CPU limit of the pod, and wait without spinning."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from homeostat import threads

CORES = len(os.sched_getaffinity(0))


def group(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(f"{text}\n")
    return folder


def member(folder: Path, *lines: str) -> Path:
    (folder / "self").write_text("".join(f"{line}\n" for line in lines))
    return folder / "self"


def test_the_limit_of_a_container_is_read_from_version_2(tmp_path: Path) -> None:
    group(tmp_path, cpu__max="150000 100000")
    assert threads.cpu_limit(tmp_path, member(tmp_path, "0::/")) == 1.5


def test_the_limit_of_a_container_is_read_from_version_1(tmp_path: Path) -> None:
    group(tmp_path / "cpu,cpuacct", cpu__cfs_quota_us="50000", cpu__cfs_period_us="100000")
    host = "4:cpu,cpuacct:/kubepods/pod1/container2"
    assert threads.cpu_limit(tmp_path, member(tmp_path, "5:memory:/", host, "0::/")) == 0.5


def test_the_tightest_limit_of_all_ancestors_counts(tmp_path: Path) -> None:
    group(tmp_path / "pods", cpu__max="400000 100000")
    group(tmp_path / "pods" / "pod", cpu__max="200000 100000")
    group(tmp_path / "pods" / "pod" / "container", cpu__max="max 100000")
    assert threads.cpu_limit(tmp_path, member(tmp_path, "0::/pods/pod/container")) == 2


@pytest.mark.parametrize(
    ("folder", "files", "line"),
    [
        ("", {"cpu__max": "max 100000"}, "0::/"),
        ("cpu", {"cpu__cfs_quota_us": "-1", "cpu__cfs_period_us": "100000"}, "1:cpu:/"),
        ("memory", {"memory__limit_in_bytes": "1"}, "1:memory:/"),
    ],
    ids=["version 2 without limit", "version 1 without limit", "no controller of the CPU"],
)
def test_without_a_quota_there_is_no_limit(tmp_path: Path, folder: str, files: dict[str, str], line: str) -> None:
    group(tmp_path / folder, **files)
    assert threads.cpu_limit(tmp_path, member(tmp_path, line)) is None


def test_a_machine_without_control_groups_has_no_limit(tmp_path: Path) -> None:
    assert threads.cpu_limit(tmp_path, tmp_path / "none") is None


@pytest.mark.parametrize(("limit", "count"), [(None, CORES), (0.2, 1), (1.0, 1), (1.2, min(2, CORES)), (1e6, CORES)])
def test_a_limit_is_rounded_up_and_never_exceeds_the_cores(
    monkeypatch: pytest.MonkeyPatch, limit: float | None, count: int
) -> None:
    monkeypatch.setattr(threads, "cpu_limit", lambda: limit)
    assert threads.thread_count({}) == count


def test_an_explicit_number_of_threads_wins_and_holds_for_every_library() -> None:
    environment = {"OMP_NUM_THREADS": "7"}
    threads.configure(environment)
    assert {environment[name] for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")} == {"7"}


def test_variables_that_are_set_stay() -> None:
    environment = {"OMP_NUM_THREADS": "4,2", "OMP_WAIT_POLICY": "ACTIVE", "MKL_NUM_THREADS": "3"}
    given = dict(environment)
    threads.configure(environment)
    assert environment | given == environment
    assert environment["GOMP_SPINCOUNT"] == "0"


@pytest.mark.parametrize("room", ["homeostat_operators", "homeostat_services"])
def test_a_room_configures_its_threads_before_numpy_is_loaded(room: str) -> None:
    script = f"import {room}, os, sys; assert 'numpy' not in sys.modules; print(os.environ['OMP_WAIT_POLICY'])"
    cleared = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    shown = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, env=cleared)
    assert shown.stdout.strip() == "PASSIVE"
