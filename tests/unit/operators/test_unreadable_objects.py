"""An object that an earlier release stored and this one cannot read stops nobody else."""

from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest

from homeostat.api.common import API_VERSION
from homeostat.api.v1alpha1 import FeatureSet, ModelDeployment, Monitor, TrainingJob
from homeostat.cluster import Manifest
from homeostat.cluster.memory import MemoryCluster
from homeostat.engines.metrics.memory import MemoryMetrics
from homeostat.engines.objects.memory import MemoryObjects
from homeostat.engines.outcomes.memory import MemoryOutcomes
from homeostat.engines.registry.memory import MemoryRegistry
from homeostat.engines.runs.local import LocalRuns
from homeostat.reconcile.conditions import get
from homeostat.reconcile.stored import Unreadable, note, read_all
from homeostat.testing.builders import DIGEST, a_feature_set, a_model_deployment, a_monitor, a_training_job
from homeostat_operators.core.clients import Clients
from homeostat_operators.core.loop import AnyOperator, ReconcileOutcome, reconcile
from homeostat_operators.core.workqueue import Key
from homeostat_operators.featureset.wiring import OPERATOR as FEATURE_SETS
from homeostat_operators.modeldeployment.observed import ModelDeploymentObservation
from homeostat_operators.modeldeployment.wiring import OPERATOR as MODEL_DEPLOYMENTS
from homeostat_operators.monitor.wiring import OPERATOR as MONITORS
from homeostat_operators.trainingjob.wiring import OPERATOR as TRAINING_JOBS
from support.replay import replayed, replaying
from support.world import COMPILED, SETTINGS
from unit.operators.modeldeployment.world import INSTALLATION, READY

NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)
STABLE = {"version": "1", "digest": DIGEST, "uri": "s3://homeostat/m/1", "since": NOW, "training_job": "churn-first"}
WINDOW = "spec.dataset.window.last"


def document(resource: Any) -> Manifest:
    shown: Manifest = resource.model_dump(mode="json", by_alias=True, exclude_none=True)
    return shown


def a_bad_training(name: str = "churn-old", model: str = "churn") -> Manifest:
    manifest = document(a_training_job(name, output={"model": model}))
    manifest["spec"]["dataset"]["window"] = {"last": "0s"}
    return manifest


def a_bad_feature_set(name: str = "customers") -> Manifest:
    manifest = deepcopy(document(a_feature_set(name)))
    manifest["spec"]["features"].append({"name": "probability", "type": "Float64"})
    return manifest


class Namespace:
    """A cluster with the given objects, each of which its operator looks at."""

    def __init__(self, *manifests: Manifest) -> None:
        self.cluster = MemoryCluster(now=lambda: NOW)
        self.clients = Clients(
            self.cluster, MemoryObjects(), MemoryRegistry(), MemoryMetrics(), MemoryOutcomes(), SETTINGS,
            runs={"Local": LocalRuns(self.cluster, COMPILED)},
        )  # fmt: skip
        for manifest in manifests:
            self.cluster.put(manifest)

    def turn(self, operator: AnyOperator, name: str) -> ReconcileOutcome:
        return reconcile(replaying(operator), self.clients, Key("churn", name), NOW).outcome

    def condition(self, kind: Any, name: str, type_: str = "Ready") -> tuple[str, str]:
        manifest = self.cluster.get(API_VERSION, kind.KIND, "churn", name)
        assert manifest is not None
        one = next(each for each in manifest["status"]["conditions"] if each["type"] == type_)
        return one["reason"], one["message"]


def test_a_bad_training_is_invalid_itself_and_the_deployment_of_its_model_goes_on_and_names_it() -> None:
    there = Namespace(document(a_model_deployment()), a_bad_training())
    assert there.turn(MODEL_DEPLOYMENTS, "churn") is ReconcileOutcome.PLANNED
    reason, message = there.condition(ModelDeployment, "churn")
    assert reason == "WaitingForModel"
    assert "TrainingJob churn-old cannot be read" in message
    assert f"{WINDOW}: '0s' must be more than 0s" in message
    assert there.turn(TRAINING_JOBS, "churn-old") is ReconcileOutcome.INVALID
    assert there.condition(TrainingJob, "churn-old")[0] == "InvalidSpec"


def test_a_deployment_that_serves_names_a_bad_training_of_its_model_and_of_no_other() -> None:
    serving = document(a_model_deployment(status={"stable": STABLE}))
    there = Namespace(serving, a_bad_training(), a_bad_training("fraud-old", model="fraud"))
    assert there.turn(MODEL_DEPLOYMENTS, "churn") is ReconcileOutcome.PLANNED
    unreadable = MODEL_DEPLOYMENTS.observe(a_model_deployment(status={"stable": STABLE}), there.clients, NOW).unreadable
    assert [one.name for one in unreadable] == ["churn-old"]
    observed = ModelDeploymentObservation(INSTALLATION, servings={"1": READY}, unreadable=unreadable)
    decided = replayed(MODEL_DEPLOYMENTS.plan, a_model_deployment(status={"stable": STABLE}), observed, NOW)
    condition = get(decided.status.conditions, "Ready")
    assert condition is not None
    assert (condition.status, condition.reason) == ("True", "Serving")
    assert condition.message == f"Version 1 serves with 2 of 2 pods ready. {unreadable[0]}"


def test_features_of_the_champion_that_cannot_be_read_are_left_out_and_named() -> None:
    served = a_model_deployment(status={"stable": {**STABLE, "feature_set": "customers"}})
    there = Namespace(document(served), a_bad_feature_set())
    observed = MODEL_DEPLOYMENTS.observe(served, there.clients, NOW)
    assert observed.champion_sources == ()
    assert [(one.kind, one.name) for one in observed.unreadable] == [("FeatureSet", "customers")]


def test_a_training_waits_for_features_that_cannot_be_read_and_says_why() -> None:
    there = Namespace(document(a_training_job()), a_bad_feature_set())
    assert there.turn(TRAINING_JOBS, "churn-first") is ReconcileOutcome.PLANNED
    reason, message = there.condition(TrainingJob, "churn-first")
    assert reason == "WaitingForFeatures"
    assert "FeatureSet customers cannot be read" in message
    assert "probability" in message
    assert there.turn(FEATURE_SETS, "customers") is ReconcileOutcome.INVALID
    assert there.condition(FeatureSet, "customers")[0] == "InvalidSpec"


def test_a_monitor_watches_on_beside_bad_trainings_and_features() -> None:
    there = Namespace(document(a_monitor()), document(a_model_deployment()), a_bad_training(), a_bad_feature_set())
    assert there.turn(MONITORS, "churn") is ReconcileOutcome.PLANNED
    assert there.condition(Monitor, "churn")[0] == "WaitingForDeployment"


def test_a_monitor_waits_for_a_deployment_that_cannot_be_read_and_forgets_nothing() -> None:
    bad = document(a_model_deployment())
    bad["spec"]["observation"] = {"payload": {"percent": 300}}
    signals = [{"name": "drift", "state": "Breached", "version": "1", "since": NOW, "message": "It moved."}]
    there = Namespace(document(a_monitor(status={"signals": signals})), bad)
    assert there.turn(MONITORS, "churn") is ReconcileOutcome.WAITING
    reason, message = there.condition(Monitor, "churn")
    assert reason == "NotReadyYet"
    assert "ModelDeployment churn cannot be read" in message
    kept = there.cluster.get(API_VERSION, "Monitor", "churn", "churn")
    assert kept is not None
    assert [signal["state"] for signal in kept["status"]["signals"]] == ["Breached"]


@pytest.mark.parametrize("count", [0, 1, 3, 4])
def test_a_message_names_the_first_three_and_counts_the_others(count: int) -> None:
    said = note(Unreadable("TrainingJob", f"t{n}", "x: y") for n in range(count))
    assert said.count("cannot be read and is left out") == min(count, 3)
    assert ("1 more objects" in said) == (count == 4)


def test_what_can_be_read_keeps_its_order() -> None:
    objects, unreadable = read_all(
        TrainingJob, [document(a_training_job("b")), a_bad_training("x"), document(a_training_job("a"))]
    )
    assert [one.metadata.name for one in objects] == ["b", "a"]
    assert [one.name for one in unreadable] == ["x"]


def test_a_status_that_cannot_be_read_is_named_as_well() -> None:
    manifest = document(a_training_job())
    manifest["status"]["attempt"] = "many"
    _, (unreadable,) = read_all(TrainingJob, [manifest])
    assert "status.attempt: 'many' is not valid" in str(unreadable)
