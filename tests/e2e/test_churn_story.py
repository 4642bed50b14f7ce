"""The whole loop on real customers, as `make demo` tells it, and what it leaves in the cluster."""

from collections.abc import Callable
from typing import Any

import pytest

from tools.demo.release import NAMESPACE, Platform
from tools.demo.story import condition, field

pytestmark = pytest.mark.usefixtures("story")


def test_the_story_names_every_turn_of_the_loop(story: str) -> None:
    for turn in ("features materialised", "churn-first trained", "fibre launched", "UnprovenShift", "CovariateShift",
                 "the Monitor created TrainingJob", "promoted", "0 failed"):  # fmt: skip
        assert turn in story, f"{turn!r} is missing in:\n{story[-6000:]}"


def test_no_request_failed_over_rollout_and_promotion(counts: Callable[[], dict[str, Any]]) -> None:
    seen = counts()
    assert seen["failed"] == 0, seen["failures"]
    assert len(seen["by_version"]) == 2, "both versions answered customers"


def test_the_retraining_says_who_asked_for_it_and_why(platform: Platform) -> None:
    jobs = platform.listing("trainingjobs")
    asked = [job for job in jobs if job["spec"]["trigger"]["type"] == "Monitor"]
    assert [job["spec"]["trigger"]["ref"]["name"] for job in asked] == ["churn"], "exactly one retraining"
    assert asked[0]["spec"]["trigger"]["message"]
    assert "ownerReferences" not in asked[0]["metadata"], "deleting the Monitor must not delete provenance"


def test_the_champion_beat_the_old_model_on_the_same_untouched_customers(platform: Platform) -> None:
    gate = field(platform.get("modeldeployment", "churn"), "status.gate")
    rows = {row["name"]: row for row in gate["metrics"]}
    assert gate["verdict"] == "Promote"
    assert float(rows["logloss"]["lower"]) > 0.01
    assert float(rows["auc"]["lower"]) > -0.02


@pytest.mark.parametrize(
    ("kind", "name"),
    [("featureset", "customers"), ("trainingjob", "churn-first"), ("modeldeployment", "churn"), ("monitor", "churn")],
)
def test_kubectl_wait_sees_every_object_ready(platform: Platform, kind: str, name: str) -> None:
    said = platform.kubectl("-n", NAMESPACE, "wait", "--for=condition=Ready", f"{kind}/{name}", "--timeout=120s")
    assert "condition met" in said


def test_kubectl_get_homeostat_shows_all_kinds_with_meaningful_columns(platform: Platform) -> None:
    shown = platform.kubectl("-n", NAMESPACE, "get", "homeostat")
    for word in ("featureset.homeostat.dev/customers", "trainingjob.homeostat.dev/churn-first", "WATERMARK", "STABLE",
                 "LAST-DECISION", "PROGRESS"):  # fmt: skip
        assert word in shown, shown


def test_kubectl_describe_explains_the_story_by_events(platform: Platform) -> None:
    assert "Events:" in platform.kubectl("-n", NAMESPACE, "describe", "modeldeployment", "churn")
    reasons = {event["reason"] for event in platform.listing("events")}
    assert {"Materialized", "Succeeded", "Serving"} <= reasons, reasons


def test_every_condition_is_about_the_current_generation(platform: Platform) -> None:
    for kind in ("featuresets", "trainingjobs", "modeldeployments", "monitors"):
        for found in platform.listing(kind):
            ready = condition(found, "Ready")
            assert ready["observedGeneration"] == found["metadata"]["generation"], (kind, ready)


def test_a_number_is_used_once(platform: Platform) -> None:
    evaluations = field(platform.get("modeldeployment", "churn"), "status.evaluations")
    assert evaluations == 2, "one evaluation for each version"
    for job in platform.listing("trainingjobs"):
        assert field(job, "status.attempt") == 1, f"{job['metadata']['name']} needed one attempt"
