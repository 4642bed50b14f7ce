"""Runs of a FeatureSet as they are recorded and observed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from homeostat.api.common import ConditionType
from homeostat.api.v1alpha1 import FeatureSetStatus
from homeostat.api.v1alpha1.featureset import RunOutcome
from homeostat.engines.runs import RunState
from homeostat.reconcile.conditions import get
from homeostat.runs import MaterializeResult, SnapshotRecord
from homeostat.testing.builders import DIGEST, a_feature_set
from homeostat_operators.core.actions import Launch
from homeostat_operators.core.plan import Plan
from homeostat_operators.core.runs import RunObservation
from homeostat_operators.featureset.children import input_hash
from homeostat_operators.featureset.observed import FeatureSetObservation

NOW = datetime(2026, 1, 5, 8, 30, tzinfo=UTC)
NOTHING = FeatureSetObservation(bucket="homeostat", image="homeostat/pipelines:1")
OTHER_DIGEST = f"sha256:{'cd' * 32}"


def a_run(number: int = 1, **fields: Any) -> dict[str, Any]:
    run = {"number": number, "input_hash": input_hash(a_feature_set()), "start_time": NOW - timedelta(minutes=5)}
    return {**run, **fields}


def a_finished_run(number: int = 1, outcome: RunOutcome = RunOutcome.MATERIALIZED, **fields: Any) -> dict[str, Any]:
    return a_run(number, outcome=outcome, completion_time=NOW - timedelta(minutes=4), job_uid="7", **fields)


def in_service(version: int = 3, **status: Any) -> dict[str, Any]:
    """Status of a FeatureSet whose snapshot is in service."""
    return {
        "snapshot": {"version": version, "digest": DIGEST, "uri": "s3://homeostat/old/", "rows": 100},
        "last_materialization": {"number": 1, "through": NOW, "time": NOW - timedelta(minutes=4)},
        "run": a_finished_run(),
        **status,
    }


def a_job(number: int = 1, **fields: Any) -> RunState:
    owner = a_feature_set().metadata.uid
    return RunState(
        **{"name": f"customers-materialize-{number}", "number": number, "uid": "7", "owner": owner, **fields}
    )


def seen(number: int = 1, **of_run: Any) -> FeatureSetObservation:
    """What is observed of the run of a number."""
    return replace(NOTHING, runs=RunObservation(number, **of_run))


def a_result(digest: str = DIGEST, **fields: Any) -> MaterializeResult:
    return MaterializeResult(
        **{
            "through": NOW,
            "blocked": False,
            "expectations": [],
            "snapshot": SnapshotRecord(digest=digest, uri="s3://homeostat/new/", rows=120, watermark=None),
            "online_rows": 120,
            **fields,
        }
    )


def reason(status: FeatureSetStatus) -> str:
    found = get(status.conditions, ConditionType.READY)
    assert found is not None
    return found.reason


def created(decided: Plan[Any]) -> list[str]:
    return [action.request.name for action in decided.actions if isinstance(action, Launch)]
