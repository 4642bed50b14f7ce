"""The contract of engines of trainings.

With HOMEOSTAT_CONTRACT_KUBEFLOW set, a real Kubeflow Pipelines (`make kubeflow-up`) is held to it as well.
"""

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from contract.engines import pipelines
from contract.engines.conftest import forwarded, kubectl
from contract.engines.pipelines import Place
from homeostat.api.common import GROUP, VERSION
from homeostat.api.v1alpha1 import TrainingJob
from homeostat.api.v1alpha1.trainingjob import Resources
from homeostat.engines.runs import Attempt, SeenRun
from homeostat.reconcile.errors import InvalidSpec
from homeostat.reconcile.names import child_name
from homeostat.runs import TrainInput
from homeostat.testing.builders import a_training_job

FINALIZER = "homeostat.dev/contract"
PLACES = ["local on the twin", "local", "kubeflow on the twin"]
if os.environ.get("HOMEOSTAT_CONTRACT_KUBEFLOW"):
    PLACES.append("kubeflow")

TrainingJobs = Callable[[], TrainingJob]


@pytest.fixture(scope="module")
def backend(kubeconfig: Path) -> Iterator[str]:
    with forwarded(kubectl(), kubeconfig, "ml-pipeline", 8888, "kubeflow") as address:
        yield address


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    match request.param:
        case "local on the twin":
            chosen = pipelines.local_on_twin()
        case "local":
            chosen = pipelines.local(request.getfixturevalue("real"))
        case "kubeflow on the twin":
            chosen = pipelines.kubeflow_on_twin()
        case _:
            chosen = pipelines.kubeflow(request.getfixturevalue("real"), request.getfixturevalue("backend"))
    yield chosen
    chosen.close()


@pytest.fixture
def training_job(request: pytest.FixtureRequest) -> Iterator[TrainingJobs]:
    """Makes TrainingJobs of one name; where runs are objects of a real API server, each is an object there."""
    if request.node.callspec.params["place"] != "local":
        yield lambda: a_training_job(uid=str(uuid.uuid4()))
        return
    request.getfixturevalue("crds")
    api = client.CustomObjectsApi(request.getfixturevalue("kubernetes_client"))
    with owners(api, request.getfixturevalue("namespace")) as make:
        yield make


@contextmanager
def owners(api: client.CustomObjectsApi, namespace: str) -> Iterator[TrainingJobs]:
    """TrainingJobs that an installed operator leaves alone, because they are being deleted, and that stay all the same."""
    made: list[str] = []
    plural = (GROUP, VERSION, namespace, TrainingJob.PLURAL)

    def make() -> TrainingJob:
        body = a_training_job().model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"status"})
        body["metadata"] = {"generateName": "contract-", "namespace": namespace, "finalizers": [FINALIZER]}
        created: Any = api.create_namespaced_custom_object(*plural, body)
        made.append(created["metadata"]["name"])
        api.delete_namespaced_custom_object(*plural, made[-1], propagation_policy="Background")
        return TrainingJob.model_validate(created)

    try:
        yield make
    finally:
        for name in made:
            api.patch_namespaced_custom_object(*plural, name, {"metadata": {"finalizers": []}})


def an_attempt(place: Place, job: TrainingJob, number: int = 1) -> Attempt:
    document = TrainInput(
        namespace="churn", model="churn", feature_sets=[], labels=[], window_seconds=None, holdout_percent=20,
        pipeline="tabular-classification", parameters={}, seed=1, image="localhost/homeostat/nowhere:1", gpus=0,
        datasets="s3://none/d/", models="s3://none/m/", output="s3://none/o/",
    )  # fmt: skip
    name = child_name(job.metadata.name, "train", number)
    return Attempt(job, number, name, document, place.engine.package(job, None), Resources())


def found(place: Place, job: TrainingJob, number: int = 1) -> SeenRun:
    seen = place.engine.find(job, number)
    assert seen is not None
    return seen


@pytest.fixture
def run(place: Place, training_job: TrainingJobs) -> Iterator[tuple[TrainingJob, SeenRun]]:
    """A TrainingJob with a run of its first attempt, stopped at the end of the test."""
    job = training_job()
    place.engine.submit(an_attempt(place, job))
    yield job, found(place, job)
    for left in place.engine.runs(job):
        place.engine.stop(left)


Run = tuple[TrainingJob, SeenRun]


def test_a_run_is_found_by_its_number_and_says_whose_it_is_and_what_it_was_told(place: Place, run: Run) -> None:
    job, seen = run
    assert (seen.name, seen.number, seen.owner) == (f"{job.metadata.name}-train-1", 1, job.metadata.uid)
    assert seen.namespace == job.metadata.namespace
    assert TrainInput.model_validate_json(seen.document) == an_attempt(place, job).document
    assert (seen.finished, seen.deleting, seen.reason) == (False, False, "")
    assert seen.start is not None
    assert seen.logs.startswith("kubectl logs -n ")
    assert [each.uid for each in place.engine.runs(job)] == [seen.uid]


def test_an_attempt_submitted_twice_is_one_run(place: Place, run: Run) -> None:
    job, seen = run
    place.engine.submit(an_attempt(place, job))
    assert [each.uid for each in place.engine.runs(job)] == [seen.uid]


def test_a_number_that_was_not_submitted_is_not_found(place: Place, run: Run) -> None:
    assert place.engine.find(run[0], 2) is None


def test_another_number_is_another_run(place: Place, run: Run) -> None:
    job, first = run
    place.engine.submit(an_attempt(place, job, 2))
    assert sorted(each.number for each in place.engine.runs(job)) == [1, 2]
    assert found(place, job, 2).uid != first.uid
    assert found(place, job, 1).uid == first.uid


def test_the_runs_of_another_training_are_not_its_own(place: Place, run: Run, training_job: TrainingJobs) -> None:
    assert run[0] is not None
    assert place.engine.runs(training_job()) == ()


def test_a_stopped_run_ends_and_no_failure_is_made_of_it(place: Place, run: Run) -> None:
    job, seen = run
    place.engine.stop(seen)
    going = place.engine.find(job, 1)
    assert going is None or going.deleting or going.finished
    ended = place.ended(lambda: place.engine.find(job, 1))
    assert ended is None or ended.reason == "Canceled"


def test_stopping_a_run_again_and_once_it_has_ended_is_well(place: Place, run: Run) -> None:
    job, seen = run
    place.engine.stop(seen)
    place.engine.stop(seen)
    place.ended(lambda: place.engine.find(job, 1))
    place.engine.stop(seen)


def test_runs_that_outlive_their_training_are_told_until_they_are_stopped(place: Place, run: Run) -> None:
    job, seen = run

    def told() -> set[str]:
        return {each.owner for each in place.engine.going() if not each.deleting}

    assert (job.metadata.uid in told()) is place.outlives
    place.engine.stop(seen)
    assert job.metadata.uid not in told()


def test_a_pipeline_that_ships_declares_what_it_takes(place: Place) -> None:
    package = place.engine.package(a_training_job(), None)
    assert package.name == "tabular-classification"
    assert {"job", "learning_rate"} <= package.declared.keys()


@pytest.mark.parametrize("pipeline", [{"name": "regression"}, {"uri": "s3://homeostat/own.yaml"}])
def test_a_pipeline_that_cannot_be_run_is_refused_with_its_name(place: Place, pipeline: dict[str, Any]) -> None:
    place.objects.write("s3://homeostat/own.yaml", b"no: pipeline")
    value = next(iter(pipeline.values()))
    with pytest.raises(InvalidSpec, match=rf"spec\.pipeline[^ ]* '{value}'"):
        place.engine.package(a_training_job(pipeline=pipeline), None)
