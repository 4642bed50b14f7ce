"""One turn of the loop: what it records, what it does, and what it says when something goes wrong."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from homeostat.api.common import API_VERSION, ConditionType
from homeostat.api.v1alpha1 import FeatureSet, FeatureSetStatus
from homeostat.api.v1alpha1.featureset import MaterializationRun
from homeostat.cluster import Manifest
from homeostat.cluster.memory import MemoryCluster
from homeostat.engines.metrics.memory import MemoryMetrics
from homeostat.engines.objects.memory import MemoryObjects
from homeostat.engines.outcomes.memory import MemoryOutcomes
from homeostat.engines.registry.memory import MemoryRegistry
from homeostat.reconcile.conditions import get, is_true, ready
from homeostat.reconcile.errors import EngineUnavailable, InvalidSpec, NotReadyYet, PlatformError
from homeostat.reconcile.names import labels_for, owner_reference
from homeostat.testing.builders import a_feature_set
from homeostat_operators.core.actions import Action, Apply, CreateOnce, Delete
from homeostat_operators.core.clients import Clients
from homeostat_operators.core.loop import Operator, ReconcileOutcome, ReconcileResult, reconcile
from homeostat_operators.core.plan import Plan
from homeostat_operators.core.workqueue import Key
from support.world import SETTINGS

NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)
OWN = (API_VERSION, "FeatureSet", "churn", "customers")
JOB = ("batch/v1", "Job", "churn", "customers-materialize-1")


@dataclass
class Stage:
    """A cluster with one FeatureSet, and a plan that the test writes."""

    actions: Callable[[FeatureSet], tuple[Action, ...]] = lambda _: ()
    error: PlatformError | None = None
    failures: int = 1
    run: MaterializationRun | None = None
    cluster: MemoryCluster = field(default_factory=MemoryCluster)

    def __post_init__(self) -> None:
        self.clients = Clients(
            self.cluster, MemoryObjects(), MemoryRegistry(), MemoryMetrics(), MemoryOutcomes(), SETTINGS
        )
        self.cluster.put(a_feature_set().model_dump(mode="json", by_alias=True, exclude_none=True))

    def turn(self) -> ReconcileResult:
        return reconcile(Operator(FeatureSet, self.observe, self.plan), self.clients, Key("churn", "customers"), NOW)

    def observe(self, _resource: FeatureSet, _clients: Clients, _now: datetime) -> None:
        if self.error is not None:
            raise self.error

    def plan(self, resource: FeatureSet, _observed: None, now: datetime) -> Plan[FeatureSetStatus]:
        conditions = ready(resource.status.conditions, "Materialized", "There.", resource.metadata.generation, now)
        status = resource.status.model_copy(
            update={"failures": self.failures, "conditions": conditions, "run": self.run}
        )
        return Plan(status, self.actions(resource), timedelta(hours=1))

    def status(self) -> FeatureSetStatus:
        return FeatureSet.model_validate(self.cluster.objects[OWN]).status


def a_job(resource: FeatureSet, **metadata: Any) -> Manifest:
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": JOB[3],
            "namespace": "churn",
            "labels": labels_for(resource, "materialize", number=1),
            "ownerReferences": [owner_reference(resource)],
            **metadata,
        },
        "spec": {},
    }


def test_the_status_is_recorded_before_anything_is_done() -> None:
    order: list[str] = []
    stage = Stage(lambda resource: (CreateOnce(a_job(resource)),), cluster=MemoryCluster(order.append))
    assert stage.turn() == ReconcileResult(ReconcileOutcome.PLANNED, timedelta(hours=1))
    assert order.index("after status") < order.index("before create")


def test_nothing_is_done_when_the_object_changed_since_it_was_observed() -> None:
    def somebody_else(moment: str) -> None:
        if moment == "before status":
            stage.cluster.change(OWN, metadata={**stage.cluster.objects[OWN]["metadata"], "labels": {"a": "b"}})

    stage = Stage(lambda resource: (CreateOnce(a_job(resource)),), cluster=MemoryCluster(somebody_else))
    assert stage.turn().outcome is ReconcileOutcome.CONFLICT
    assert stage.cluster.created == []


def test_a_status_that_does_not_change_is_not_written() -> None:
    stage = Stage()
    stage.turn()
    before = stage.cluster.objects[OWN]["metadata"]["resourceVersion"]
    stage.turn()
    assert stage.cluster.objects[OWN]["metadata"]["resourceVersion"] == before


def test_a_transition_is_reported_by_one_event() -> None:
    stage = Stage()
    stage.turn()
    stage.failures = 2
    stage.turn()
    assert [key[2:4] for key in stage.cluster.events] == [("Normal", "Materialized")]


def test_an_object_that_is_gone_or_going_is_left_alone() -> None:
    stage = Stage()
    stage.cluster.change(OWN, metadata={**stage.cluster.objects[OWN]["metadata"], "deletionTimestamp": "now"})
    assert stage.turn() == ReconcileResult(ReconcileOutcome.GONE)
    stage.cluster.vanish(OWN)
    assert stage.turn() == ReconcileResult(ReconcileOutcome.GONE)


def test_an_existing_child_of_ours_is_taken_as_created() -> None:
    stage = Stage(lambda resource: (CreateOnce(a_job(resource)),))
    stage.turn()
    assert stage.turn().outcome is ReconcileOutcome.PLANNED
    assert len(stage.cluster.created) == 1


def test_a_numbered_name_of_somebody_else_is_looked_at_again() -> None:
    stage = Stage(lambda resource: (CreateOnce(a_job(resource)),))
    stage.cluster.put(a_job(a_feature_set(uid="another")))
    assert stage.turn().outcome is ReconcileOutcome.CONFLICT


def test_a_converging_child_of_somebody_else_is_not_taken_over() -> None:
    stage = Stage(lambda resource: (Apply(a_job(resource)),))
    stage.cluster.put(a_job(a_feature_set(uid="another")))
    assert stage.turn().outcome is ReconcileOutcome.REFUSED
    found = get(stage.status().conditions, ConditionType.READY)
    assert found is not None
    assert "belongs to something else" in found.message


def test_a_converging_child_is_made_and_kept_as_asked() -> None:
    stage = Stage(lambda resource: (Apply(a_job(resource)),))
    stage.turn()
    stage.turn()
    assert stage.cluster.objects[JOB]["metadata"]["ownerReferences"][0]["name"] == "customers"


def test_only_the_object_with_the_uid_is_deleted() -> None:
    stage = Stage(lambda _: (Delete(*JOB, uid="of an older one"),))
    stage.cluster.put(a_job(a_feature_set()))
    assert stage.turn().outcome is ReconcileOutcome.PLANNED
    assert "deletionTimestamp" not in stage.cluster.objects[JOB]["metadata"]


@pytest.mark.parametrize(
    ("error", "outcome", "retry_in", "reason"),
    [
        (InvalidSpec("spec.x is wrong"), ReconcileOutcome.INVALID, None, "InvalidSpec"),
        (NotReadyYet("wait", timedelta(seconds=7)), ReconcileOutcome.WAITING, timedelta(seconds=7), "NotReadyYet"),
        (EngineUnavailable("S3 is down"), ReconcileOutcome.UNAVAILABLE, timedelta(seconds=5), "EngineUnavailable"),
        (PlatformError("no permission"), ReconcileOutcome.REFUSED, timedelta(seconds=60), "Refused"),
    ],
)
def test_an_error_says_who_must_act_and_when_it_is_tried_again(
    error: PlatformError, outcome: ReconcileOutcome, retry_in: timedelta | None, reason: str
) -> None:
    stage = Stage(error=error)
    assert stage.turn() == ReconcileResult(outcome, retry_in)
    found = get(stage.status().conditions, ConditionType.READY)
    assert found is not None
    assert (found.status.value, found.reason, found.message) == ("False", reason, str(error))
    assert is_true(stage.status().conditions, ConditionType.STALLED) == isinstance(error, InvalidSpec)


def test_what_is_in_service_stays_ready_while_an_engine_is_away_and_recovers() -> None:
    stage = Stage()
    stage.turn()
    stage.error = EngineUnavailable("S3 is down")
    stage.turn()
    found = get(stage.status().conditions, ConditionType.READY)
    assert found is not None
    assert (found.status.value, found.reason) == ("True", "EngineUnavailable")
    assert is_true(stage.status().conditions, ConditionType.RECONCILING)
    stage.error = None
    stage.turn()
    assert not is_true(stage.status().conditions, ConditionType.RECONCILING)


def test_an_error_leaves_the_rest_of_the_status_as_it_is() -> None:
    stage = Stage(failures=4)
    stage.turn()
    stage.error = InvalidSpec("spec.x is wrong")
    stage.turn()
    assert stage.status().failures == 4


def test_a_kind_decides_itself_what_a_refusal_does_to_its_status() -> None:
    def refused(resource: FeatureSet, error: PlatformError, _now: datetime) -> FeatureSetStatus | None:
        ends = str(error) == "the engine refuses it"
        return resource.status.model_copy(update={"failures": 9}) if ends else None

    stage = Stage(failures=4)
    stage.turn()
    operator = Operator(FeatureSet, stage.observe, stage.plan, refused=refused)
    for stage.error, failures in ((InvalidSpec("spec.x is wrong"), 4), (InvalidSpec("the engine refuses it"), 9)):
        reconcile(operator, stage.clients, Key("churn", "customers"), NOW)
        assert stage.status().failures == failures


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"colour": "red"}, "spec.colour: unknown field; remove it or correct its name"),
        ({"ttl": "soon"}, "spec.ttl: 'soon' is not valid"),
        ({"expectations": [{"feature": "age", "rule": "NotNull"}]}, "expectations[0].feature 'age' is not among"),
    ],
)
def test_an_invalid_object_is_reported_with_field_value_and_remedy(spec: dict[str, Any], words: str) -> None:
    stage = Stage()
    stage.cluster.change(OWN, spec={**stage.cluster.objects[OWN]["spec"], **spec})
    assert stage.turn() == ReconcileResult(ReconcileOutcome.INVALID)
    conditions = FeatureSetStatus.model_validate(stage.cluster.objects[OWN]["status"]).conditions
    found = get(conditions, ConditionType.STALLED)
    assert found is not None
    assert words in found.message


@pytest.mark.parametrize("where", ["observe", "plan"])
def test_an_unexpected_error_is_the_condition_of_its_object_alone(where: str) -> None:
    stage = Stage()
    stage.cluster.put(a_feature_set("orders").model_dump(mode="json", by_alias=True, exclude_none=True))

    def stumble(resource: FeatureSet, at: str) -> None:
        if (resource.metadata.name, at) == ("customers", where):
            raise KeyError("tenure")

    def observe(resource: FeatureSet, _clients: Clients, _now: datetime) -> None:
        stumble(resource, "observe")

    def plan(resource: FeatureSet, observed: None, now: datetime) -> Plan[FeatureSetStatus]:
        stumble(resource, "plan")
        return stage.plan(resource, observed, now)

    operator = Operator(FeatureSet, observe, plan)
    with pytest.raises(KeyError):
        reconcile(operator, stage.clients, Key("churn", "customers"), NOW)
    assert reconcile(operator, stage.clients, Key("churn", "orders"), NOW).outcome is ReconcileOutcome.PLANNED
    found = get(stage.status().conditions, ConditionType.READY)
    assert found is not None
    assert (found.status.value, found.reason) == ("False", "InternalError")
    assert found.message.startswith("unexpected KeyError: 'tenure'. The operator retries with back-off")
    assert is_true(FeatureSet.model_validate(stage.cluster.objects[(*OWN[:3], "orders")]).status.conditions, "Ready")


def test_an_unexpected_error_that_cannot_be_recorded_either_is_the_one_that_passes_through() -> None:
    def around(moment: str) -> None:
        if moment == "before status":
            raise RuntimeError("second")

    stage = Stage(error=ZeroDivisionError("first"), cluster=MemoryCluster(around))  # type: ignore[arg-type]
    with pytest.raises(ZeroDivisionError, match="first"):
        stage.turn()
