"""Stories on the running cluster: churn on a system of others (Kubeflow Pipelines, Seldon Core), and those of other tasks."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TextIO

from tools.cluster.progress import timed
from tools.cluster.settings import REPOSITORY, Settings, UserError
from tools.kubeflow import install as kubeflow
from tools.seldon import install as seldon
from tools.testing.suites import BUILD, Result, run

TASK_STORIES = ("flights", "rodents")
STORY = "tests/e2e/test_churn_story.py"
FAULTS = ("tests/e2e/test_faults.py", "tests/e2e/test_faults_monitor.py", "tests/e2e/test_faults_rollout.py")


@dataclass(frozen=True)
class Backend:
    """A system that an engine is tested against.

    Attributes:
        up: Installs it on the cluster.
        options: Options of the demo that select the engine.
        tests: Its tests, which also look at the story's platform.
        variables: Environment variables of its tests.
    """

    up: Callable[[Settings], None]
    options: tuple[str, ...]
    tests: tuple[str, ...]
    variables: dict[str, str] = field(default_factory=dict)


BACKENDS = {
    "kubeflow": Backend(
        kubeflow.up,
        ("--engine", "Kubeflow"),
        (
            "tests/kubeflow/test_backend.py",
            "tests/contract/engines/test_runs.py",
            "tests/kubeflow/test_loop.py",
            "tests/kubeflow/test_trainings.py",
            *FAULTS,
        ),
        {"HOMEOSTAT_CONTRACT_KUBEFLOW": "yes"},
    ),
    "seldon": Backend(
        seldon.up, ("--serving", "Seldon"), ("tests/seldon", *FAULTS, "tests/e2e/test_faults_training.py")
    ),
}


def with_backend(cluster: Settings, name: str) -> Result:
    """Tells the story with one of BACKENDS, then tests the adapter and disturbs the platform that the story left.

    Args:
        cluster: A running cluster with the images on it.
        name: Of BACKENDS.

    Raises:
        UserError: the backend did not come up, or the story did not reach its end.
    """
    backend = BACKENDS[name]
    with timed(f"{name} is compiled if needed, and comes up"):
        backend.up(cluster)
    variables = backend.variables | run_story(cluster, name, *backend.options)
    return run(name, "platform", [STORY, *backend.tests], variables=variables)


def other_tasks(cluster: Settings) -> Result:
    """Runs the stories of a number and of a class, then looks at what they left.

    Args:
        cluster: A running cluster with the images on it.

    Raises:
        UserError: A story did not reach its end.
    """
    variables = run_story(cluster, "tasks", "--stories", *TASK_STORIES)
    return run("tasks", "platform", ["tests/stories"], variables=variables)


def run_story(cluster: Settings, name: str, *options: str) -> dict[str, str]:
    """Tells the story, with its log in ``build/<name>-story.log``.

    Args:
        cluster: A running cluster with the images on it.
        name: The suite that looks at its platform afterwards.
        options: Options of the demo.

    Returns:
        The environment variables with which that suite finds platform and log.

    Raises:
        UserError: the story did not reach its end.
    """
    log = BUILD / f"{name}-story.log"
    with timed("the story"), log.open("w") as copy:
        if demo("up", *options, copy=copy):
            raise UserError(f"the scenario did not finish; see {log}")
    return {"KUBECONFIG": str(cluster.kubeconfig), "HOMEOSTAT_STORY": str(log)}


def demo(*arguments: str, copy: TextIO | None = None) -> int:
    """Runs the demo's command, prints its output and keeps a copy; returns its exit status."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-m", "tools.demo", *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            if copy is not None:
                copy.write(line)
    return process.returncode
