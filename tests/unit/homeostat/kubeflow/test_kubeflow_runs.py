"""Kubeflow Pipelines as an engine: one run for an attempt whatever gets lost, and what its refusals mean."""

from collections import deque
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeostat.engines.runs import TRAIN
from homeostat.engines.runs.packages import parse
from homeostat.pod_settings import NodePool
from homeostat.reconcile.errors import EngineUnavailable, InvalidSpec, NotReadyYet, PlatformError
from support.kubeflow_twin import Crash, Fault, KubeflowServer
from unit.homeostat.kubeflow.attempts import SETTINGS, an_attempt, engine, found

SMALL = parse(
    b"""
pipelineInfo: {name: small}
schemaVersion: 2.1.0
root: {inputDefinitions: {parameters: {job: {parameterType: STRING}}}}
deploymentSpec: {executors: {exec-one: {container: {image: homeostat/pipelines}}}}
""",
    "a small one",
)


def test_an_attempt_becomes_one_run_of_an_uploaded_version_in_the_experiment_of_its_namespace() -> None:
    server = KubeflowServer()
    kubeflow, attempt = engine(server), an_attempt()
    kubeflow.submit(attempt)
    (run,) = server.objects["runs"]
    assert run["display_name"] == f"churn/churn-first-train-1 {attempt.owner.metadata.uid}/1"
    assert [e["display_name"] for e in server.objects["experiments"]] == ["churn"]
    assert run["service_account"] == "pipeline-runner"
    seen = found(kubeflow, attempt)
    assert seen.url == f"http://ui.example.org/#/runs/details/{run['run_id']}"
    assert seen.logs == f"kubectl logs -n kubeflow -l pipeline/runid={run['run_id']} -c main --prefix --tail=-1"
    assert seen.start is not None


def test_the_same_content_is_uploaded_once_and_used_again() -> None:
    server = KubeflowServer()
    kubeflow = engine(server)
    kubeflow.submit(an_attempt(1))
    kubeflow.submit(an_attempt(2))
    assert len(server.objects["runs"]) == 2
    assert len(server.uploads) == 2, "one pipeline, one version"
    kubeflow.submit(an_attempt(3, NodePool(node_selector={"pool": "a100"})))
    assert len(server.uploads) == 3, "another pool is another content"


FAULTS = st.lists(st.sampled_from([Fault.NONE] * 8 + list(Fault)), max_size=12)


@settings(max_examples=400, deadline=None)
@given(FAULTS, st.lists(st.booleans(), max_size=12))
def test_whatever_gets_lost_there_is_never_a_second_run_and_in_the_end_there_is_one(
    faults: list[Fault], agent_is_there: list[bool]
) -> None:
    agent = deque(agent_is_there)
    server = KubeflowServer(deque(faults))
    attempt = replace(an_attempt(), package=SMALL)
    while True:
        try:
            engine(server).submit(attempt)
        except (PlatformError, Crash):
            assert len(server.runs_at_work()) <= 1
            if not agent or agent.popleft():
                server.passes(1)
        else:
            break
    engine(server).submit(attempt)
    assert len(server.objects["runs"]) == 1
    assert len(server.runs_at_work()) == 1


def test_nothing_is_started_beside_a_workflow_whose_run_the_backend_did_not_get_to_record() -> None:
    upload_and_experiment = [Fault.NONE] * 3
    server = KubeflowServer(deque([*upload_and_experiment, Fault.HALF]))
    kubeflow, attempt = engine(server), an_attempt()
    with pytest.raises(EngineUnavailable):
        kubeflow.submit(attempt)
    with pytest.raises(NotReadyYet, match="no record of its run"):
        kubeflow.submit(attempt)
    server.passes(1)
    kubeflow.submit(attempt)
    assert len(server.runs_at_work()) == 1


def test_of_two_runs_of_one_attempt_the_older_counts_and_the_other_is_shown_to_be_stopped() -> None:
    server = KubeflowServer()
    kubeflow, attempt = engine(server), an_attempt()
    kubeflow.submit(attempt)
    server.objects["runs"].append({**server.objects["runs"][0], "run_id": "late", "created_at": "2026-01-05T09:59:00Z"})
    server.workflows.append(
        {"metadata": {"name": "w", "labels": {"pipeline/runid": "late"}}, "spec": {}, "status": {"phase": "Running"}}
    )
    runs = kubeflow.runs(attempt.owner, TRAIN)
    assert [(run.uid == "late", run.number) for run in runs] == [(False, 1), (True, 0)]
    kubeflow.stop(runs[1])
    assert [run.deleting for run in kubeflow.runs(attempt.owner, TRAIN)] == [False, True]


def test_stopping_a_run_that_is_gone_is_well() -> None:
    server = KubeflowServer()
    kubeflow, attempt = engine(server), an_attempt()
    kubeflow.submit(attempt)
    (run,) = kubeflow.runs(attempt.owner, TRAIN)
    server.vanish(run.uid)
    kubeflow.stop(run)


def test_runs_that_go_on_are_listed_for_their_own_cluster_alone() -> None:
    server = KubeflowServer()
    ours, theirs = engine(server), engine(server, cluster="another cluster")
    for number in (1, 2, 3):
        ours.submit(an_attempt(number))
    theirs.submit(an_attempt(4))
    ended = found(ours, an_attempt(2))
    server.ends(ended.uid, "Succeeded")
    assert sorted(run.number for run in ours.active_runs()) == [1, 3]
    assert [run.number for run in theirs.active_runs()] == [4]


def test_a_refusal_is_the_users_and_comes_with_the_words_of_the_backend() -> None:
    server = KubeflowServer()
    server.refusal = httpx.Response(400, json={"code": 3, "message": "parameter depth is not an input"})
    with pytest.raises(InvalidSpec, match="parameter depth is not an input"):
        engine(server).submit(an_attempt())


@pytest.mark.parametrize("status", [401, 403, 404, 409])
def test_a_lacking_permission_or_a_conflict_is_not_the_users_fault(status: int) -> None:
    server = KubeflowServer()
    server.refusal = httpx.Response(status, json={"code": 16, "message": "not so"})
    with pytest.raises(PlatformError, match="not so") as raised:
        engine(server).submit(an_attempt())
    assert not isinstance(raised.value, InvalidSpec | EngineUnavailable)


def test_a_500_of_a_healthy_backend_is_no_outage() -> None:
    server = KubeflowServer()
    server.refusal = httpx.Response(500, json={"code": 13, "message": "unknown template format"})
    with pytest.raises(PlatformError, match=r"500 .*unknown template format.*not an outage") as raised:
        engine(server).submit(an_attempt())
    assert not isinstance(raised.value, EngineUnavailable)


def test_a_package_that_the_backend_cannot_read_is_the_users_although_it_answers_500() -> None:
    server = KubeflowServer()
    server.refusal = httpx.Response(500, json={"error_message": "InvalidInputError: pipeline spec is invalid"})
    with pytest.raises(InvalidSpec, match="pipeline spec is invalid"):
        engine(server).submit(an_attempt())


def test_a_503_is_an_outage() -> None:
    server = KubeflowServer()
    server.refusal = httpx.Response(503, text="no healthy upstream")
    with pytest.raises(EngineUnavailable, match="HOMEOSTAT_KUBEFLOW_URL"):
        engine(server).submit(an_attempt())


def test_a_projected_token_is_read_again_for_every_request(tmp_path: Path) -> None:
    server = KubeflowServer()
    token = tmp_path / "token"
    kubeflow = engine(server, SETTINGS.model_copy(update={"token_file": str(token)}))
    for content in ("first", "second"):
        token.write_text(content)
        kubeflow.health()
    assert server.tokens == ["Bearer first", "Bearer second"]
