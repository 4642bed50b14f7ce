"""The churn story in memory, told by the four operators themselves: every observation of it replays."""

import json
from collections import Counter, deque
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from homeostat.api.common import API_VERSION
from homeostat.api.v1alpha1 import KINDS, ModelDeployment, Monitor, TrainingJob
from homeostat.artifacts.storage import store
from homeostat.cluster import Manifest
from homeostat.cluster.memory import MemoryCluster
from homeostat.engines.metrics import Series
from homeostat.engines.metrics.memory import MemoryMetrics
from homeostat.engines.objects.memory import MemoryObjects
from homeostat.engines.outcomes.memory import MemoryOutcomes, Prediction
from homeostat.engines.registry.memory import MemoryRegistry
from homeostat.engines.runs.local import LocalRuns
from homeostat.reconcile.names import PURPOSE_LABEL
from homeostat.runs import INPUT_ANNOTATION, RESULT, EvaluateResult, MaterializeResult, SnapshotRecord
from homeostat.signals import FeatureKind, Window, fit
from homeostat.signals.gate import GateReport, Verdict
from homeostat.testing.builders import DIGEST, a_feature_set, a_model_deployment, a_monitor, a_training_job
from homeostat_operators.core.clients import Clients
from homeostat_operators.core.loop import AnyOperator, reconcile
from homeostat_operators.core.observations import from_json, to_json
from homeostat_operators.core.workqueue import Key
from homeostat_operators.featureset.wiring import OPERATOR as FEATURE_SETS
from homeostat_operators.modeldeployment.wiring import OPERATOR as MODEL_DEPLOYMENTS
from homeostat_operators.monitor.observed import MonitorObservation, SignalData, ValueWindow
from homeostat_operators.monitor.wiring import OPERATOR as MONITORS
from homeostat_operators.trainingjob.wiring import OPERATOR as TRAINING_JOBS
from support.replay import replaying
from support.trainings import LONG, TRAINED, put_features
from support.world import COMPILED, SETTINGS, Fate, Fault, World
from unit.operators.monitor.world import a_signature

START = datetime(2026, 1, 5, 8, 0, 30, tzinfo=UTC)
TICK = timedelta(seconds=5)
SHIFT = START + timedelta(minutes=6)
"""From here on the customers are others, and the first version predicts them badly."""
OPERATORS: tuple[AnyOperator, ...] = (FEATURE_SETS, TRAINING_JOBS, MODEL_DEPLOYMENTS, MONITORS)
BASELINE = fit({"internet": ["dsl", "none"] * 2000}, {"internet": FeatureKind.CATEGORICAL})
PROMOTE = GateReport(verdict=Verdict.PROMOTE, metrics=(), rules=(), rows=10, entities=10, resamples=0, seed=1)
SIGNALS = [{**signal.model_dump(), "window": "120s"} for signal in a_monitor().spec.signals]
RETRAIN = {**a_monitor().spec.retrain.model_dump(), "requires": {"new_labels": 100}}


class Story:
    """The four kinds, and everything around them: runs that succeed, pods that get ready, customers and outcomes."""

    def __init__(self) -> None:
        self.now = START
        self.cluster = MemoryCluster(now=lambda: self.now)
        self.objects, self.metrics, self.outcomes = MemoryObjects(), MemoryMetrics(), MemoryOutcomes()
        self.clients = Clients(
            self.cluster, self.objects, MemoryRegistry(), self.metrics, self.outcomes, SETTINGS,
            runs={"Local": LocalRuns(self.cluster, COMPILED)},
        )  # fmt: skip
        self.counts: Counter[tuple[tuple[str, str], ...]] = Counter()
        self.samples: dict[tuple[tuple[str, str], ...], list[tuple[float, float]]] = {}
        for resource in (
            a_feature_set(materialization={"schedule": "* * * * *"}),
            a_training_job(),
            a_model_deployment(),
            a_monitor(signals=SIGNALS, retrain=RETRAIN),
        ):
            self.cluster.put(resource.model_dump(mode="json", by_alias=True, exclude_none=True))

    def tick(self) -> None:
        for operator in OPERATORS:
            for manifest in self.cluster.list(API_VERSION, operator.resource.KIND, "churn"):
                key = Key("churn", manifest["metadata"]["name"])
                reconcile(replaying(operator), self.clients, key, self.now)
        self.runs_end()
        self.pods_get_ready()
        self.customers_come()
        self.now += TICK
        self.cluster.finish_deletions()

    def runs_end(self) -> None:
        for job in self.cluster.list("batch/v1", "Job", "churn"):
            if job.get("status", {}).get("conditions"):
                continue
            told = json.loads(job["spec"]["template"]["metadata"]["annotations"][INPUT_ANNOTATION])
            result = self.result(job, told).model_dump_json(by_alias=True).encode()
            self.objects.write(f"{told['output']}{RESULT}", result)
            end = {"type": "Complete", "status": "True", "lastTransitionTime": self.now.isoformat()}
            self.cluster.change(("batch/v1", "Job", "churn", job["metadata"]["name"]), status={"conditions": [end]})

    def result(self, job: Manifest, told: dict[str, Any]) -> Any:
        name = job["metadata"]["name"]
        match job["metadata"]["labels"][PURPOSE_LABEL]:
            case "materialize":
                snapshot = SnapshotRecord(digest=DIGEST, uri="s3://homeostat/s/", rows=100, watermark=None)
                return MaterializeResult(
                    through=self.now, blocked=False, expectations=[], snapshot=snapshot, online_rows=100
                )
            case "evaluate":
                return EvaluateResult(report=PROMOTE)
            case _:
                files = {"baseline.json": BASELINE.model_dump_json(by_alias=True).encode(), "job": name.encode()}
                files["signature.json"] = a_signature()
                bundle = store(self.objects, told["models"], files)
                model = TRAINED.model.model_copy(update={"uri": bundle.uri, "digest": bundle.digest})
                return TRAINED.model_copy(update={"model": model})

    def pods_get_ready(self) -> None:
        for one in self.cluster.list("apps/v1", "Deployment", "churn"):
            replicas = one["spec"]["replicas"]
            status = dict.fromkeys(("replicas", "readyReplicas", "updatedReplicas"), replicas)
            status["observedGeneration"] = one["metadata"].get("generation", 0)
            self.cluster.change(("apps/v1", "Deployment", "churn", one["metadata"]["name"]), status=status)

    def customers_come(self) -> None:
        moved = self.now > SHIFT
        mix = {"dsl": 20, "none": 20, "__unseen__": 20} if moved else {"dsl": 30, "none": 30, "__unseen__": 0}
        for target in self.deployment.status.traffic:
            self.count("homeostat_requests_total", target.version, 60, code="200")
            for bin_, rows in mix.items():
                self.count("homeostat_feature_bin_total", target.version, rows, feature="internet", bin=bin_)
            wrong = moved and target.version == "1"
            for n in range(40):
                label = n // 2 % 2 if wrong else n % 2
                entity = f"{self.now.timestamp()}-{n}"
                made = Prediction(target.version, entity, self.now, 0.9 if n % 2 else 0.1, label)
                self.outcomes.add("churn", "churn", made)
        self.metrics.series = [Series(dict(key), tuple(values)) for key, values in self.samples.items()]

    def count(self, metric: str, version: str, by: float, **labels: str) -> None:
        named = {"__name__": metric, "namespace": "churn", "deployment": "churn", "version": version, **labels}
        key = tuple(named.items())
        self.counts[key] += by  # type: ignore[assignment]
        self.samples.setdefault(key, []).append((self.now.timestamp(), float(self.counts[key])))

    @property
    def deployment(self) -> ModelDeployment:
        return ModelDeployment.model_validate(self.cluster.get(API_VERSION, "ModelDeployment", "churn", "churn"))

    @property
    def monitor(self) -> Monitor:
        return Monitor.model_validate(self.cluster.get(API_VERSION, "Monitor", "churn", "churn"))

    def trainings(self) -> list[TrainingJob]:
        return [TrainingJob.model_validate(one) for one in self.cluster.list(API_VERSION, "TrainingJob", "churn")]


def test_every_observation_of_the_churn_story_gives_the_same_plan_once_it_was_written_and_read() -> None:
    assert {operator.resource for operator in OPERATORS} == set(KINDS)
    story = Story()
    for _ in range(240):
        story.tick()
        if story.deployment.status.stable and story.deployment.status.stable.version == "2":
            break
    assert [entry.outcome.value for entry in story.deployment.status.history] == ["Promoted", "Promoted"]
    assert story.monitor.status.retraining is not None
    assert len(story.trainings()) == 2


@pytest.mark.parametrize("fate", Fate)
def test_so_does_every_observation_of_runs_that_fail_vanish_or_are_killed(fate: Fate) -> None:
    snapshot = SnapshotRecord(digest=DIGEST, uri="s3://homeostat/s/", rows=100, watermark=None)
    materialized = MaterializeResult(through=START, blocked=False, expectations=[], snapshot=snapshot, online_rows=100)
    training = World(
        replaying(TRAINING_JOBS), a_training_job(retry={"limit": 10}), TRAINED.model_dump_json(by_alias=True).encode(),
        deque([Fault.NONE, Fault.OUTAGE, Fault.CRASH, Fault.RIVAL]),
    )  # fmt: skip
    put_features(training)
    features = World(
        replaying(FEATURE_SETS), a_feature_set(), materialized.model_dump_json(by_alias=True).encode(), deque()
    )
    for world in (training, features):
        for met in (fate, fate, *[Fate.SUCCEEDS] * 6):
            world.turn()
            world.turn()
            world.meets(met)
            world.passes(LONG)
        assert world.at_rest()


def test_so_does_a_query_that_divides_by_nothing() -> None:
    value = ValueWindow(Window(START, START + TICK), float("inf"))
    observation = MonitorObservation(signals={"ratio": SignalData((value,))})
    assert from_json(MonitorObservation, to_json(observation)) == observation
