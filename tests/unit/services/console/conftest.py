from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from homeostat.api.common import API_VERSION
from homeostat.api.v1alpha1 import KINDS
from homeostat.cluster import Manifest
from homeostat.cluster.memory import MemoryCluster
from homeostat.testing.builders import DIGEST, a_feature_set, a_model_deployment, a_monitor, a_training_job
from homeostat.views.snapshot import Snapshot
from homeostat_services.access import Access, Guard
from homeostat_services.access.memory import MemoryReviews
from homeostat_services.console.app import create_app

ALL = frozenset(kind.PLURAL for kind in KINDS)


def condition(kind: str, status: str, reason: str, message: str = "") -> dict[str, Any]:
    time = "2026-01-05T09:00:00Z"
    return {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": time}


def document(resource: Any) -> Manifest:
    shown: Manifest = resource.model_dump(mode="json", by_alias=True, exclude_none=True)
    return shown


def the_loop_in_mid_rollout() -> Snapshot:
    """The churn example after its first retraining, with the second version in its canary step."""
    return Snapshot(
        {
            "featuresets": [document(_the_features())],
            "trainingjobs": [document(each) for each in _the_trainings()],
            "modeldeployments": [document(_the_deployment())],
            "monitors": [document(_the_monitor())],
        },
        [
            {
                "apiVersion": "v1",
                "kind": "Event",
                "metadata": {"namespace": "churn", "name": "e1", "creationTimestamp": "2026-01-05T08:57:00Z"},
                "involvedObject": {"apiVersion": API_VERSION, "kind": "Monitor", "name": "churn"},
                "reason": "CovariateShift",
                "message": "drift and logloss are in breach",
                "type": "Warning",
                "lastTimestamp": "2026-01-05T08:57:00Z",
                "count": 3,
            }
        ],
    )


def _the_features() -> Any:
    return a_feature_set(
        status={
            "snapshot": {
                "version": 2,
                "digest": DIGEST,
                "uri": "s3://b/k",
                "rows": 5174,
                "watermark": "2026-01-05T08:40:00Z",
            },
            "lastMaterialization": {
                "number": 3,
                "through": "2026-01-05T08:55:00Z",
                "time": "2026-01-05T08:56:00Z",
                "onlineRows": 5174,
            },
            "nextRunTime": "2026-01-05T10:00:00Z",
            "conditions": [condition("Ready", "True", "Materialized", "5174 rows are in service.")],
        }
    )


def _the_trainings() -> tuple[Any, Any]:
    first = a_training_job(
        status={
            "attempt": 1,
            "run": {"engine": "Kubeflow", "id": "churn-first-train-1", "startTime": "2026-01-05T08:10:00Z"},
            "completionTime": "2026-01-05T08:20:00Z",
            "metrics": [{"name": "auc", "value": "0.781"}, {"name": "logloss", "value": "0.402"}],
            "model": {"name": "churn.churn", "version": "1", "uri": "s3://b/m", "digest": DIGEST},
            "dataset": {
                "uri": "s3://b/d",
                "digest": DIGEST,
                "rows": 3102,
                "holdoutRows": 771,
                "warnings": ["Feature 'plan' is not trained on: its values are missing in all 3,102 rows."],
            },
            "conditions": [condition("Succeeded", "True", "Succeeded", "Version 1 is registered.")],
        }
    )
    second = a_training_job(
        "churn-retrain-1",
        creation_timestamp="2026-01-05T08:58:00Z",
        trigger={"type": "Monitor", "message": "log loss beyond its bound"},
        status={
            "attempt": 1,
            "progress": {"currentStep": "train", "completedSteps": 2, "totalSteps": 4, "summary": "train (2 of 4)"},
            "conditions": [condition("Succeeded", "Unknown", "Running", "Attempt 1 runs.")],
        },
    )
    return first, second


GATE = {
    "version": "2",
    "champion": "1",
    "verdict": "Promote",
    "rows": 1104,
    "time": "2026-01-05T09:01:30Z",
    "metrics": [
        {
            "name": "logloss",
            "challenger": "0.421",
            "champion": "0.683",
            "difference": "0.262",
            "lower": "0.198",
            "upper": "0.331",
        },
        {
            "name": "auc",
            "challenger": "0.824",
            "champion": "0.717",
            "difference": "0.107",
            "lower": "0.071",
            "upper": "0.144",
        },
    ],
    "messages": [
        "auc 0.824 is at least 0.70",
        "logloss beats the champion: its lower bound 0.198 is above the margin 0.01",
    ],
}


def _the_deployment() -> Any:
    served = {"digest": DIGEST, "uri": "s3://homeostat/churn/models/churn/ab/", "featureSet": "customers"}
    return a_model_deployment(
        status={
            "engine": "Seldon",
            "stable": served | {"version": "1", "since": "2026-01-05T08:25:00Z"},
            "candidate": served
            | {
                "version": "2",
                "since": "2026-01-05T09:02:00Z",
                "gatePassed": True,
                "step": 0,
                "weight": 25,
                "evaluation": 2,
            },
            "traffic": [
                {"version": "1", "service": "churn-v1", "weight": 75},
                {"version": "2", "service": "churn-v2", "weight": 25},
            ],
            "gate": GATE,
            "history": [
                {
                    "version": "1",
                    "digest": DIGEST,
                    "outcome": "Promoted",
                    "message": "auc 0.781 is at least 0.70; there was no champion",
                    "time": "2026-01-05T08:25:00Z",
                }
            ],
            "replicas": 4,
            "url": "http://127.0.0.1:30080/churn/churn",
            "conditions": [condition("Ready", "True", "Canary", "Version 2 answers 25 % of the requests.")],
        }
    )


def _the_monitor() -> Any:
    window = {"samples": 1640, "since": "2026-01-05T08:50:00Z", "judgedThrough": "2026-01-05T08:57:00Z", "version": "1"}
    return a_monitor(
        status={
            "breached": "drift, logloss",
            "breachSince": "2026-01-05T08:50:00Z",
            "signals": [
                window
                | {
                    "name": "drift",
                    "state": "Breached",
                    "value": "0.884",
                    "consecutiveBreaches": 2,
                    "message": "internet_service: Fiber optic was never seen in training (28.1 % of requests).",
                },
                window
                | {
                    "name": "logloss",
                    "state": "Breached",
                    "value": "0.683",
                    "lower": "0.612",
                    "upper": "0.754",
                    "consecutiveBreaches": 2,
                    "message": "log loss 0.683 on 1,640 outcomes; its lower bound 0.612 is above 0.55.",
                },
            ],
            "lastDecision": {
                "id": "churn-7",
                "cause": "CovariateShift",
                "action": "Retrain",
                "reason": "Admitted",
                "message": "Inputs drifted (internet_service: a category that version 1 never saw) and log loss is beyond "
                "its bound on the same traffic: the model has not learnt these customers. 4,012 of them are labelled, "
                "features are materialised through 08:55, so a training makes sense now.",
                "values": [
                    {"name": "drift.value", "value": "0.884"},
                    {"name": "drift.threshold", "value": "0.1"},
                    {"name": "logloss.lower", "value": "0.612"},
                    {"name": "logloss.threshold", "value": "0.55"},
                    {"name": "newLabels", "value": "4012"},
                ],
                "trainingJob": "churn-retrain-1",
                "time": "2026-01-05T08:58:00Z",
            },
            "decisions": 7,
            "labels": {"available": 4012, "required": 4000},
            "retrains": 1,
            "nextEligibleTime": "2026-01-05T09:13:00Z",
            "conditions": [condition("Ready", "True", "Monitoring", "2 signals are monitored.")],
        }
    )


@pytest.fixture
def snapshot() -> Snapshot:
    return the_loop_in_mid_rollout()


@pytest.fixture
def cluster(snapshot: Snapshot) -> MemoryCluster:
    made = MemoryCluster()
    for manifest in [*(o for objects in snapshot.objects.values() for o in objects), *snapshot.events]:
        made.put(manifest)
    return made


@pytest.fixture
def reviews() -> MemoryReviews:
    rights = {("ada", Access(verb, plural, "churn")) for plural in ALL for verb in ("get", "list")}
    rights |= {("ada", Access("create", "trainingjobs", "churn")), ("eve", Access("list", "monitors", "churn"))}
    return MemoryReviews({f"token-{user}": user for user in ("ada", "eve", "nobody")}, rights)


@pytest.fixture
async def client(cluster: MemoryCluster, reviews: MemoryReviews) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(cluster, Guard(reviews))
    await app.state.loop.refresh()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://console") as http:
        http.app = app  # type: ignore[attr-defined]  # the live stream is tested below HTTP
        yield http
