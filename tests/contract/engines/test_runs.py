"""The contract of engines of runs, for every purpose.

With HOMEOSTAT_CONTRACT_KUBEFLOW set, a real Kubeflow Pipelines (`make kubeflow-up`) is held to it as well.
"""

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from contract.engines import runs
from contract.engines.conftest import forwarded, kubectl
from contract.engines.runs import Place
from homeostat.api.common import GROUP, VERSION
from homeostat.api.v1alpha1 import TrainingJob
from homeostat.api.v1alpha1.pods import Resources
from homeostat.cluster.kubernetes import KubernetesCluster
from homeostat.engines.runs import EVALUATE, MATERIALIZE, TRAIN, RunRequest, RunState, packages
from homeostat.reconcile.errors import InvalidSpec
from homeostat.runs import INPUT_LIMIT, TrainInput
from homeostat.testing.builders import a_training_job
from support.runs import a_request, a_train_input, package_of
from tools.waiting import until

FINALIZER = "homeostat.dev/contract"
PLACES = ["local on the twin", "local", "kubeflow on the twin"]
if os.environ.get("HOMEOSTAT_CONTRACT_KUBEFLOW"):
    PLACES.append("kubeflow")

PURPOSES = (MATERIALIZE, TRAIN, EVALUATE)

TrainingJobs = Callable[[], TrainingJob]


@pytest.fixture(scope="module")
def backend(kubeconfig: Path) -> Iterator[str]:
    with forwarded(kubectl(), kubeconfig, "ml-pipeline", 8888, "kubeflow") as address:
        yield address


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    match request.param:
        case "local on the twin":
            chosen = runs.local_on_twin()
        case "local":
            chosen = runs.local(request.getfixturevalue("real"))
        case "kubeflow on the twin":
            chosen = runs.kubeflow_on_twin()
        case _:
            chosen = runs.kubeflow(request.getfixturevalue("real"), request.getfixturevalue("backend"))
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


def a_run_of(place: Place, owner: TrainingJob, number: int = 1, purpose: str = TRAIN) -> RunRequest:
    """A run with a package, which every engine can carry out for every purpose; its image is nowhere."""
    package = place.engine.package(package_of(owner))
    return a_request(owner, number, purpose, package, image="localhost/homeostat/nowhere:1")


def found(place: Place, owner: TrainingJob, number: int = 1, purpose: str = TRAIN) -> RunState:
    state = place.engine.find(owner, purpose, number)
    assert state is not None
    return state


@pytest.fixture
def run(place: Place, training_job: TrainingJobs) -> Iterator[tuple[TrainingJob, RunState]]:
    """An object with its first run, stopped at the end of the test."""
    job = training_job()
    place.engine.submit(a_run_of(place, job))
    yield job, found(place, job)
    for purpose in PURPOSES:
        for left in place.engine.runs(job, purpose):
            place.engine.stop(left)


Run = tuple[TrainingJob, RunState]


def test_a_run_is_found_by_its_number_and_says_whose_it_is_and_what_input_it_had(place: Place, run: Run) -> None:
    job, seen = run
    assert (seen.name, seen.number, seen.owner) == (f"{job.metadata.name}-train-1", 1, job.metadata.uid)
    assert seen.namespace == job.metadata.namespace
    assert TrainInput.model_validate_json(seen.document) == a_run_of(place, job).document
    assert (seen.finished, seen.deleting, seen.reason) == (False, False, "")
    assert place.starts_at_once is (seen.start is not None)
    assert seen.logs.startswith("kubectl logs -n ")
    assert [each.uid for each in place.engine.runs(job, TRAIN)] == [seen.uid]


def test_an_attempt_submitted_twice_is_one_run(place: Place, run: Run) -> None:
    job, seen = run
    place.engine.submit(a_run_of(place, job))
    assert [each.uid for each in place.engine.runs(job, TRAIN)] == [seen.uid]


def test_a_number_that_was_not_submitted_is_not_found(place: Place, run: Run) -> None:
    assert place.engine.find(run[0], TRAIN, 2) is None


def test_another_number_is_another_run(place: Place, run: Run) -> None:
    job, first = run
    place.engine.submit(a_run_of(place, job, 2))
    assert sorted(each.number for each in place.engine.runs(job, TRAIN)) == [1, 2]
    assert found(place, job, 2).uid != first.uid
    assert found(place, job, 1).uid == first.uid


@pytest.mark.parametrize("purpose", [MATERIALIZE, EVALUATE])
def test_runs_of_another_purpose_have_numbers_of_their_own(place: Place, run: Run, purpose: str) -> None:
    owner, training = run
    place.engine.submit(a_run_of(place, owner, purpose=purpose))
    other = found(place, owner, purpose=purpose)
    assert (other.name, other.number) == (f"{owner.metadata.name}-{purpose}-1", 1)
    assert other.uid != training.uid
    assert [each.uid for each in place.engine.runs(owner, purpose)] == [other.uid]
    assert [each.uid for each in place.engine.runs(owner, TRAIN)] == [training.uid]
    place.engine.submit(a_run_of(place, owner, purpose=purpose))
    assert [each.uid for each in place.engine.runs(owner, purpose)] == [other.uid]


def with_an_input_of(size: int, request: RunRequest) -> RunRequest:
    return replace(request, document=a_train_input(datasets=f"s3://homeostat/{'x' * size}/"))


@pytest.mark.parametrize("size", [130 * 1024, INPUT_LIMIT - 1024])
def test_an_input_beyond_what_a_variable_can_hold_arrives_whole(
    place: Place, training_job: TrainingJobs, request: pytest.FixtureRequest, size: int
) -> None:
    if request.node.callspec.params["place"].startswith("kubeflow"):
        pytest.skip("a pipeline's parameter is limited to less")
    owner = training_job()
    large = with_an_input_of(size, a_run_of(place, owner))
    place.engine.submit(large)
    seen = found(place, owner)
    assert TrainInput.model_validate_json(seen.document) == large.document
    place.engine.stop(seen)


def test_an_input_beyond_the_limit_is_refused_with_its_size_and_the_remedy(
    place: Place, training_job: TrainingJobs, request: pytest.FixtureRequest
) -> None:
    owner = training_job()
    limit = packages.INPUT_LIMIT if request.node.callspec.params["place"].startswith("kubeflow") else INPUT_LIMIT
    with pytest.raises(InvalidSpec, match=rf"has \d+ bytes and the limit is {limit}; shorten what is longest"):
        place.engine.submit(with_an_input_of(limit, a_run_of(place, owner)))
    assert place.engine.runs(owner, TRAIN) == ()


def test_a_run_without_a_package_runs_or_is_refused_with_the_remedy(place: Place, training_job: TrainingJobs) -> None:
    owner = training_job()
    request = replace(a_run_of(place, owner, purpose=EVALUATE), package=None)
    if place.needs_package:
        with pytest.raises(InvalidSpec, match="use the engine Local"):
            place.engine.submit(request)
        return
    place.engine.submit(request)
    place.engine.stop(found(place, owner, purpose=EVALUATE))


def test_a_run_whose_pod_waits_for_a_node_says_so_and_its_time_does_not_count(place: Place, run: Run) -> None:
    owner, _ = run
    if place.refuses_to_schedule is None:
        pytest.skip("nobody else schedules pods here")
    place.refuses_to_schedule(found(place, owner), "0/1 nodes are available: 1 Insufficient memory")
    state = found(place, owner)
    assert state.waiting
    assert "Insufficient memory" in state.failure_message
    assert not state.finished


def test_a_run_that_can_have_no_pod_passes_on_the_words_of_the_api_server(place: Place, run: Run) -> None:
    if not place.refuses_pods:
        pytest.skip("pods can be made here")
    owner, _ = run

    def reason() -> str:
        return found(place, owner).failure_message

    told = until("the reason is shown", reason, lambda words: "homeostat-run" in words, 30)
    assert "has no pod yet: Error creating: pods " in told


@pytest.fixture
def core(kubernetes_client: client.ApiClient, namespace: str) -> client.CoreV1Api:
    """The API server, with the ServiceAccount of runs in the test's namespace."""
    api = client.CoreV1Api(kubernetes_client)
    account = client.V1ServiceAccount(metadata=client.V1ObjectMeta(name="homeostat-run"))
    api.create_namespaced_service_account(namespace, account)
    return api


@pytest.fixture
def guarded(
    real: KubernetesCluster, crds: list[Any], kubernetes_client: client.ApiClient, namespace: str
) -> Iterator[Callable[[], Run]]:
    """Starts a run of 64 MiB in the test's namespace."""
    assert crds
    place = runs.local(real)
    with owners(client.CustomObjectsApi(kubernetes_client), namespace) as make:

        def start() -> Run:
            owner = make()
            amounts = {"cpu": "10m", "memory": "64Mi"}
            resources = Resources(requests=amounts, limits=amounts)
            request = a_request(owner, image="localhost/homeostat/nowhere:1", resources=resources)
            place.engine.submit(request)
            return owner, found(place, owner)

        yield start


def shown(real: KubernetesCluster, owner: TrainingJob) -> str:
    """Why a run has no pod, once that is known."""
    place = runs.local(real)
    told = until("the reason is shown", lambda: found(place, owner).failure_message, lambda words: ": " in words, 30)
    place.engine.stop(found(place, owner))
    return told


def test_a_run_beyond_the_quota_of_its_namespace_says_which_quota(
    real: KubernetesCluster, core: client.CoreV1Api, guarded: Callable[[], Run], namespace: str
) -> None:
    spec = client.V1ResourceQuotaSpec(hard={"pods": "0"})
    quota = client.V1ResourceQuota(metadata=client.V1ObjectMeta(name="few"), spec=spec)
    core.create_namespaced_resource_quota(namespace, quota)

    def counts() -> bool:
        status = core.read_namespaced_resource_quota("few", namespace).status
        return status is not None and bool(status.hard)

    until("the controller has counted, before which every pod is refused in other words", counts, bool, 30)
    owner, _ = guarded()
    told = shown(real, owner)
    assert "has no pod yet: Error creating: pods " in told
    assert "exceeded quota: few, requested: pods=1, used: pods=0, limited: pods=0" in told


def test_a_run_larger_than_its_namespace_allows_says_what_the_limit_is(
    real: KubernetesCluster, core: client.CoreV1Api, guarded: Callable[[], Run], namespace: str
) -> None:
    limits = client.V1LimitRangeSpec(limits=[client.V1LimitRangeItem(type="Container", max={"memory": "32Mi"})])
    item = client.V1LimitRange(metadata=client.V1ObjectMeta(name="small"), spec=limits)
    core.create_namespaced_limit_range(namespace, item)
    owner, _ = guarded()
    told = shown(real, owner)
    assert "has no pod yet: Error creating: pods " in told
    assert "maximum memory usage per Container is 32Mi, but limit is 64Mi" in told


def test_the_strictest_pod_security_of_a_namespace_admits_the_pod_of_a_run(
    real: KubernetesCluster, core: client.CoreV1Api, guarded: Callable[[], Run], namespace: str
) -> None:
    strict = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
    core.patch_namespace(namespace, strict)
    owner, seen = guarded()
    pods = until("the pod is made", lambda: core.list_namespaced_pod(namespace).items, bool, 30)
    assert [pod.spec.service_account_name for pod in pods if pod.spec] == ["homeostat-run"]
    runs.local(real).engine.stop(seen)
    assert owner.metadata.namespace == namespace


def test_the_runs_of_another_training_are_not_its_own(place: Place, run: Run, training_job: TrainingJobs) -> None:
    assert run[0] is not None
    assert place.engine.runs(training_job(), TRAIN) == ()


def test_a_stopped_run_ends_and_no_failure_is_made_of_it(place: Place, run: Run) -> None:
    job, seen = run
    place.engine.stop(seen)
    going = place.engine.find(job, TRAIN, 1)
    assert going is None or going.deleting or going.finished
    ended = place.ended(lambda: place.engine.find(job, TRAIN, 1))
    assert ended is None or ended.reason == "Canceled"


def test_stopping_a_run_again_and_once_it_has_ended_is_well(place: Place, run: Run) -> None:
    job, seen = run
    place.engine.stop(seen)
    place.engine.stop(seen)
    place.ended(lambda: place.engine.find(job, TRAIN, 1))
    place.engine.stop(seen)


def test_runs_that_outlive_their_training_are_reported_until_they_are_stopped(place: Place, run: Run) -> None:
    job, seen = run

    def told() -> set[str]:
        return {each.owner for each in place.engine.active_runs() if not each.deleting}

    assert (job.metadata.uid in told()) is place.outlives
    place.engine.stop(seen)
    assert job.metadata.uid not in told()


def test_a_pipeline_that_ships_declares_what_it_takes(place: Place) -> None:
    package = place.engine.package(package_of(a_training_job()))
    assert package.name == "tabular"
    assert {"job", "learning_rate"} <= package.declared.keys()


@pytest.mark.parametrize("pipeline", [{"name": "regression"}, {"uri": "s3://homeostat/own.yaml"}])
def test_a_pipeline_that_cannot_be_run_is_refused_with_its_name(place: Place, pipeline: dict[str, Any]) -> None:
    place.objects.write("s3://homeostat/own.yaml", b"no: pipeline")
    value = next(iter(pipeline.values()))
    with pytest.raises(InvalidSpec, match=rf"spec\.pipeline[^ ]* '{value}'"):
        place.engine.package(package_of(a_training_job(pipeline=pipeline)))
