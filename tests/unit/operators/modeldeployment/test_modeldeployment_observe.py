"""What a ModelDeployment reads of the cluster, of its evaluation and of its traffic."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from homeostat.artifacts import storage
from homeostat.artifacts.model import SIGNATURE
from homeostat.artifacts.signature import Signature
from homeostat.engines.metrics import Series
from homeostat.engines.metrics.memory import MemoryMetrics
from homeostat.engines.objects.memory import MemoryObjects
from homeostat.engines.outcomes.memory import MemoryOutcomes
from homeostat.engines.registry.memory import MemoryRegistry
from homeostat.engines.runs.local import LocalRuns
from homeostat.reconcile.errors import EngineUnavailable, InvalidSpec
from homeostat.reconcile.names import owner_reference
from homeostat.runs import EvaluateResult
from homeostat.signals.gate import GateReport, Verdict
from homeostat.testing.builders import DIGEST, a_feature_set, a_model_deployment, a_training_job
from homeostat_operators.core.clients import Clients
from homeostat_operators.core.settings import OperatorSettings
from homeostat_operators.modeldeployment import observe as reading
from homeostat_operators.modeldeployment.observed import Answered, StepTraffic

NOW = datetime(2026, 8, 31, 12, 0, tzinfo=UTC)
PREFIX = "s3://homeostat/churn/uid-of-churn/evaluate-1/"
REPORT = GateReport(verdict=Verdict.HOLD, metrics=(), rules=(), rows=1, entities=1, resamples=0, seed=1)


class Manifests:
    """Reads of a cluster that holds the given objects; labels are honoured."""

    def __init__(self, *held: Any) -> None:
        self.held = [one if isinstance(one, dict) else one.model_dump(mode="json", by_alias=True) for one in held]

    def list(self, _api: str, kind: str, _namespace: str | None, labels: Any = None, fields: Any = None) -> list[Any]:
        assert fields is None or kind == "Event"
        needed = (labels or {}).items()
        return [one for one in self.held if one["kind"] == kind and needed <= one["metadata"].get("labels", {}).items()]

    def get(self, _api: str, kind: str, _namespace: str, name: str) -> Any:
        return next((one for one in self.list("", kind, None) if one["metadata"]["name"] == name), None)


def clients(
    *held: Any, objects: Any = None, metrics: Any = None, registry: Any = None, serving_engine: str = "Deployment"
) -> Clients:
    cluster: Any = Manifests(*held)
    return Clients(
        cluster=cluster,
        runs={"Local": LocalRuns(cluster, Path("none"))},
        objects=objects or MemoryObjects(),
        registry=registry or MemoryRegistry(),
        metrics=metrics or MemoryMetrics(),
        outcomes=MemoryOutcomes(),
        settings=OperatorSettings("homeostat", "p", "s", "http://g", serving_engine=serving_engine),
    )


def observe(resource: Any, known: Clients) -> Any:
    return reading.observe(resource, known, NOW)


def a_candidate(**changes: Any) -> Any:
    candidate = {"version": "1", "digest": DIGEST, "uri": "s3://homeostat/m", "since": NOW, "evaluation": 1, **changes}
    return a_model_deployment(status={"candidate": candidate})


def a_job(condition: str = "") -> dict[str, Any]:
    labels = {
        "homeostat.dev/kind": "ModelDeployment",
        "homeostat.dev/name": "churn",
        "app.kubernetes.io/managed-by": "homeostat",
        "homeostat.dev/purpose": "evaluate",
    }
    conditions = [{"type": condition, "status": "True", "message": "out of memory"}] if condition else []
    return {
        "kind": "Job",
        "metadata": {
            "name": "churn-evaluate-1",
            "namespace": "churn",
            "uid": "uid-of-the-job",
            "labels": labels,
            "ownerReferences": [owner_reference(a_model_deployment())],
        },
        "status": {"conditions": conditions},
    }


def recorded(name: str, version: str, ended: datetime | None = NOW, **spec: Any) -> Any:
    model = {"name": "churn.churn", "version": version, "uri": "s3://homeostat/m", "digest": DIGEST}
    dataset = {"uri": "s3://homeostat/d", "digest": DIGEST, "rows": 1, "holdout_rows": 1}
    return a_training_job(name, status={"completion_time": ended, "model": model, "dataset": dataset}, **spec)


def test_versions_are_those_that_succeeded_training_jobs_recorded() -> None:
    jobs = (recorded("a", "1"), recorded("b", "2", ended=None), recorded("c", ""), a_training_job("d"))
    seen = observe(a_model_deployment(), clients(*jobs))
    assert [(v.version, v.training_job, v.feature_sets) for v in seen.versions] == [("1", "a", ("customers",))]


def test_a_version_has_the_task_of_its_training() -> None:
    of_numbers = a_training_job().spec.dataset.model_dump() | {"target": {"task": "Regression"}}
    seen = observe(a_model_deployment(), clients(recorded("a", "1"), recorded("b", "2", dataset=of_numbers)))
    assert {v.version: v.task for v in seen.versions} == {"1": "BinaryClassification", "2": "Regression"}


def test_the_champions_feature_sets_are_those_of_its_training_that_are_materialised() -> None:
    snapshot = {"version": 1, "digest": DIGEST, "uri": "s3://homeostat/snapshot", "rows": 1}
    there, empty = a_feature_set("customers", status={"snapshot": snapshot}), a_feature_set("clients")
    sets = [{"name": "clients"}, {"name": "customers"}, {"name": "gone"}]
    dataset = a_training_job().spec.dataset.model_dump() | {"feature_sets": sets}
    stable = {"version": "7", "digest": DIGEST, "uri": "s3://homeostat/m", "since": NOW, "feature_set": "customers"}

    def names(*jobs: Any, **status: Any) -> list[str]:
        resource = a_model_deployment(status=status)
        return [source.name for source in observe(resource, clients(there, empty, *jobs)).champion_sources]

    assert names(recorded("a", "7", dataset=dataset), stable=stable) == ["customers"]
    assert names(stable=stable) == ["customers"]
    assert names(stable={**stable, "feature_set": ""}) == []
    assert names() == []
    candidate = a_candidate().status.candidate.model_dump()
    assert names(stable=stable, candidate=candidate) == ["customers"]
    assert names(stable=stable, candidate={**candidate, "gate_passed": True}) == []


def served(
    objects: MemoryObjects, version: str, *names: str, sent: tuple[str, ...] = (), **signature: Any
) -> dict[str, Any]:
    """A stored version whose callers send these inputs; with `features: Lookup`, only those in `sent`."""
    origins = {name: {"origin": "request"} if name in sent else {"feature_set": "customers"} for name in names}
    inputs = [{"name": name, "datatype": "FP64", **origin} for name, origin in origins.items()]
    signed = Signature.model_validate(
        {"model": "churn.churn", "entity": "customer_id", "feature_sets": ["customers"], "inputs": inputs, **signature}
    )
    stored = storage.store(
        objects, "s3://homeostat/models", {SIGNATURE: signed.model_dump_json(by_alias=True).encode()}
    )
    return {"version": version, "digest": stored.digest, "uri": stored.uri, "since": NOW}


def test_inputs_that_the_champion_does_not_have_are_read_from_the_signatures_until_the_first_step() -> None:
    objects = MemoryObjects()
    stable, candidate = served(objects, "1", "tenure", "age"), served(objects, "2", "hour", "tenure", "basket")

    def read(features: str = "Request", store: Any = objects, **status: Any) -> Any:
        resource = a_model_deployment(realtime={"features": features}, status=status)
        return observe(resource, clients(objects=store)).new_inputs

    assert read(stable=stable, candidate=candidate) == ("hour", "basket")
    assert read(stable=candidate, candidate={**stable, "gate_passed": True}) == ("age",)
    assert read("Lookup", stable=stable, candidate=candidate) == ()
    later = served(objects, "3", "hour", "tenure", "basket", sent=("hour", "basket"))
    assert read("Lookup", stable=stable, candidate=later) == ("hour", "basket")
    assert read("Lookup", stable=later, candidate={**candidate, "gate_passed": True}) == ()
    shop = {"name": "shop", "datatype": "INT64", "feature_sets": ["shops"]}
    of_two = served(objects, "4", "tenure", "age", others=[shop])
    assert read("Lookup", stable=stable, candidate=of_two) == ("shop",)
    assert read(stable=stable, candidate=of_two) == (), "callers send every feature, and no key to look it up by"
    assert read(stable=stable, candidate={**candidate, "step_start_time": NOW}) is None
    assert (read(stable=stable), read(candidate=candidate)) == (None, None)
    assert read(store=SilentObjects(), stable=stable, candidate=candidate) is None
    assert read(store=MemoryObjects(), stable=stable, candidate=candidate) == ()


def test_a_running_evaluation_says_nothing_yet() -> None:
    seen = observe(a_candidate(), clients(a_job())).evaluation
    assert (seen.state.uid, seen.state.finished, seen.result, seen.failure) == ("uid-of-the-job", False, None, None)


def test_a_finished_evaluation_is_read_even_when_its_job_is_gone() -> None:
    result = EvaluateResult(report=REPORT).model_dump_json(by_alias=True).encode()
    objects = MemoryObjects({f"{PREFIX}result.json": result})
    assert observe(a_candidate(), clients(a_job("Complete"), objects=objects)).evaluation.result.report == REPORT
    assert observe(a_candidate(), clients(objects=objects)).evaluation.result.report == REPORT


def test_a_job_that_is_neither_there_nor_has_a_result_was_never_made() -> None:
    seen = observe(a_candidate(), clients()).evaluation
    assert (seen.number, seen.state, seen.result, seen.failure) == (1, None, None, None)


def test_a_failed_evaluation_reports_why() -> None:
    failure = b'{"reason": "InvalidData", "message": "the holdout has no rows"}'
    objects = MemoryObjects({f"{PREFIX}failure.json": failure})
    assert (
        observe(a_candidate(), clients(a_job("Failed"), objects=objects)).evaluation.failure.message
        == "the holdout has no rows"
    )
    ended = observe(a_candidate(), clients(a_job("Failed"))).evaluation.state
    assert (ended.finished, ended.reason, ended.message) == (True, "Failed", "out of memory")


class SilentObjects(MemoryObjects):
    """An object store that is down."""

    def read(self, uri: str) -> bytes:
        raise EngineUnavailable(f"{uri} cannot be read")


def test_an_object_store_that_is_down_is_not_a_failed_evaluation() -> None:
    seen = observe(a_candidate(), clients(a_job("Complete"), objects=SilentObjects())).evaluation
    assert (seen.failure, seen.result) == (None, None)
    assert "cannot be read" in seen.outage


class SilentRegistry(MemoryRegistry):
    """A registry that is down."""

    def get_alias(self, model: str, alias: str) -> str | None:
        raise EngineUnavailable(f"{model}@{alias}")


def test_the_registry_is_asked_for_the_digest_of_what_is_written_to_it() -> None:
    registry = MemoryRegistry()
    for number in range(2):
        registry.register("churn.churn", f"uid-{number}", "s3://homeostat/m", DIGEST, {})
    assert observe(a_candidate(), clients(registry=registry)).registered == {"1": DIGEST}
    assert observe(a_candidate(gate_passed=True), clients(registry=registry)).registered == {}
    stable = {"version": "3", "digest": DIGEST, "uri": "s3://homeostat/m", "since": NOW}
    assert observe(a_model_deployment(status={"stable": stable}), clients(registry=registry)).registered == {"3": None}
    registry.set_alias("churn.churn", "churn-churn-champion", "2")
    stable["version"] = "2"
    assert observe(a_model_deployment(status={"stable": stable}), clients(registry=registry)).registered == {}


def test_a_registry_that_is_down_does_not_stop_the_look() -> None:
    assert not observe(a_candidate(), clients(registry=SilentRegistry())).registry_answers


def test_requests_and_errors_are_counted_from_the_start_of_the_step() -> None:
    def counter(code: str, *values: float, version: str = "1") -> Series:
        labels = {"namespace": "churn", "deployment": "churn", "version": version, "code": code}
        times = (NOW - timedelta(seconds=40 - 10 * i) for i in range(len(values)))
        return Series(
            {"__name__": "homeostat_requests_total", **labels},
            tuple((t.timestamp(), v) for t, v in zip(times, values, strict=True)),
        )

    champions = counter("200", 9000, 9000, 9100, 9200, version="7"), counter("500", 50, 50, 51, 53, version="7")
    metrics = MemoryMetrics([counter("200", 100, 100, 150, 200), counter("503", 0, 0, 0, 8), *champions])
    resource = a_candidate(gate_passed=True, weight=25, step_start_time=NOW - timedelta(seconds=30))
    assert observe(resource, clients(metrics=metrics)).step == StepTraffic(108, 8, Answered(0, 0))
    stable = {"version": "7", "digest": DIGEST, "uri": "s3://homeostat/m", "since": NOW}
    beside = a_model_deployment(status={**resource.status.model_dump(), "stable": stable})
    step = observe(beside, clients(metrics=metrics)).step
    assert step == StepTraffic(108, 8, Answered(203, 3))
    metrics.available = False
    assert observe(resource, clients(metrics=metrics)).step is None


def test_an_engine_that_is_not_installed_is_refused_with_those_that_are() -> None:
    with pytest.raises(InvalidSpec, match=r"spec.engine 'Seldon' is not installed here; use one of Deployment"):
        observe(a_model_deployment(engine="Seldon"), clients())


def test_the_first_engine_stays_whatever_the_platform_prefers_later() -> None:
    seen = observe(a_model_deployment(status={"engine": "Deployment"}), clients(serving_engine="Seldon"))
    assert seen.engine == "Deployment"
