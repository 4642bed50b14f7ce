from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from homeostat.tasks.binary import BinaryClassification, BinaryCohort
from homeostat_services.access.memory import MemoryReviews

START = datetime(2027, 1, 15, 8, tzinfo=UTC)
Bearer = Callable[[str], dict[str, str]]
OWNER = {"namespace": "churn", "deployment": "churn"}


def a_prediction(number: int, **changes: Any) -> dict[str, Any]:
    time = START + timedelta(seconds=number)
    return {
        "id": f"p{number}",
        "version": "1",
        "entity": f"e{number}",
        "time": time.isoformat(),
        "score": 0.5,
    } | changes


def predictions(*items: dict[str, Any]) -> dict[str, Any]:
    return OWNER | {"predictions": list(items)}


async def test_a_cohort_counts_predictions_of_a_version_by_time_with_the_outcomes_known(
    client: httpx.AsyncClient, bearer: Bearer
) -> None:
    scores = [0.1, 0.9, 0.4, 0.6]
    items = [a_prediction(n, score=score) for n, score in enumerate(scores)]
    items += [a_prediction(9, version="2"), a_prediction(100)]
    answer = await client.post("/v1/predictions", json=predictions(*items), headers=bearer("predictor"))
    assert answer.json() == {"accepted": 6, "duplicate": 0}
    body = OWNER | {"outcomes": [{"predictionId": "p1", "label": 1}, {"predictionId": "p2", "label": 1}]}
    await client.post("/v1/outcomes", json=body, headers=bearer("seller"))
    window = {"from": (START - timedelta(seconds=1)).isoformat(), "to": (START + timedelta(seconds=10)).isoformat()}
    cohort = await client.get("/v1/cohorts", params=OWNER | window | {"version": "1"}, headers=bearer("monitor"))
    assert BinaryCohort.model_validate(cohort.json()) == BinaryClassification().cohort([0.9, 0.4], [1, 1], 4)


async def test_a_version_in_shadow_is_compared_with_what_callers_got_to_the_same_requests(
    client: httpx.AsyncClient, bearer: Bearer
) -> None:
    told = [a_prediction(n, score=score) for n, score in ((1, 0.4), (2, 0.3))]
    copies = [
        a_prediction(n, version="2", score=score, mirrored=True)
        for n, score in ((0, 0.9), (1, 0.6), (2, 0.2), (3, 0.5))
    ]
    body = predictions(*told, *copies)
    for known in ({"accepted": 6, "duplicate": 0}, {"accepted": 0, "duplicate": 6}):
        assert (await client.post("/v1/predictions", json=body, headers=bearer("predictor"))).json() == known
    asked = OWNER | {"version": "2", "since": START.isoformat()}
    answer = await client.get("/v1/shadow", params=asked, headers=bearer("monitor"))
    assert answer.json() == pytest.approx(
        {
            "task": "BinaryClassification",
            "mirrored": 3,
            "compared": 2,
            "differenceSum": 0.1,
            "absoluteDifferenceSum": 0.3,
            "maxAbsoluteDifference": 0.2,
            "disagreements": 1,
        }
    )
    assert (await client.get("/v1/shadow", params=asked, headers=bearer("seller"))).status_code == 403


async def test_copies_are_in_no_cohort_and_no_outcome_belongs_to_them(
    client: httpx.AsyncClient, bearer: Bearer
) -> None:
    body = predictions(a_prediction(1, version="2", mirrored=True))
    await client.post("/v1/predictions", json=body, headers=bearer("predictor"))
    outcome = {"entity": "e1", "predictedAt": (START + timedelta(seconds=5)).isoformat(), "label": 1}
    answer = await client.post("/v1/outcomes", json=OWNER | {"outcomes": [outcome]}, headers=bearer("seller"))
    assert answer.json()["unknown"] == 1
    window = {"from": START.isoformat(), "to": (START + timedelta(seconds=10)).isoformat()}
    cohort = await client.get("/v1/cohorts", params=OWNER | window | {"version": "2"}, headers=bearer("monitor"))
    assert cohort.json()["predictions"] == 0


async def test_times_may_be_seconds_since_1970(client: httpx.AsyncClient, bearer: Bearer) -> None:
    body = predictions(a_prediction(1, time=START.timestamp()))
    assert (await client.post("/v1/predictions", json=body, headers=bearer("predictor"))).status_code == 200
    outcome = {"entity": "e1", "predictedAt": (START + timedelta(seconds=5)).isoformat(), "label": 0}
    answer = await client.post("/v1/outcomes", json=OWNER | {"outcomes": [outcome]}, headers=bearer("seller"))
    match = {"result": "Accepted", "predictionId": "p1", "version": "1", "predictedAt": "2027-01-15T08:00:00Z"}
    numbers = {"accepted": 1, "duplicate": 0, "conflicting": 0, "unknown": 0}
    assert answer.json() == {**numbers, "matches": [match]}


IMPOSSIBLE = [
    "0001-01-01T00:00:00Z",
    "1970-01-01T00:00:00Z",
    "2027-01-16T08:00:01Z",
    "9999-12-31T23:59:59Z",
    -62135596800,
]


@pytest.mark.parametrize("time", IMPOSSIBLE)
@pytest.mark.parametrize(
    ("path", "user", "place", "body"),
    [
        (
            "predictions",
            "predictor",
            "predictions[1].time",
            lambda time: predictions(a_prediction(1), a_prediction(2, time=time)),
        ),
        (
            "outcomes",
            "seller",
            "outcomes[0].predictedAt",
            lambda time: OWNER | {"outcomes": [{"entity": "e1", "predictedAt": time, "label": 1}]},
        ),
        (
            "outcomes",
            "seller",
            "outcomes[0].observedAt",
            lambda time: OWNER | {"outcomes": [{"predictionId": "p1", "observedAt": time, "label": 1}]},
        ),
        (
            "business",
            "seller",
            "values[0].time",
            lambda time: OWNER | {"values": [{"name": "sales", "value": 1, "time": time}]},
        ),
    ],
)
async def test_an_impossible_time_is_refused_by_name(
    client: httpx.AsyncClient, bearer: Bearer, path: str, user: str, place: str, body: Any, time: Any
) -> None:
    answer = await client.post(f"/v1/{path}", json=body(time), headers=bearer(user))
    assert answer.status_code == 422
    assert f"{place} is " in answer.json()["error"]
    assert "; give a time from 2000-01-01 to 2027-01-16T08:00:00+00:00" in answer.json()["error"]


@pytest.mark.parametrize("time", ["2000-01-01T00:00:00Z", "2027-01-16T08:00:00Z"])
async def test_a_clock_may_be_a_day_ahead(client: httpx.AsyncClient, bearer: Bearer, time: str) -> None:
    body = predictions(a_prediction(1, time=time))
    assert (await client.post("/v1/predictions", json=body, headers=bearer("predictor"))).status_code == 200


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"score": 1.5},
            "predictions[0].score is 1.5, but version 1 predicts BinaryClassification: scores must be probabilities",
        ),
        (
            {"time": "2027-01-15T08:00:00"},
            "predictions[0].time is '2027-01-15T08:00:00': input should have timezone info",
        ),
        ({"scores": 1}, "predictions[0].scores is 1: extra inputs are not permitted"),
    ],
)
async def test_a_mistake_is_answered_with_field_value_and_remedy(
    client: httpx.AsyncClient, bearer: Bearer, changes: dict[str, Any], sentence: str
) -> None:
    body = predictions(a_prediction(1, **changes))
    answer = await client.post("/v1/predictions", json=body, headers=bearer("predictor"))
    assert answer.status_code == 422
    assert answer.json()["error"].startswith(sentence)


@pytest.mark.parametrize(
    "outcome", [{"label": 1}, {"label": 1, "entity": "e1"}, {"label": 1, "predictionId": "p", "entity": "e"}]
)
async def test_an_outcome_names_its_prediction_in_exactly_one_way(
    client: httpx.AsyncClient, bearer: Bearer, outcome: dict[str, Any]
) -> None:
    answer = await client.post("/v1/outcomes", json=OWNER | {"outcomes": [outcome]}, headers=bearer("seller"))
    assert answer.status_code == 422
    assert "give either predictionId, or entity and predictedAt" in answer.json()["error"]


async def test_no_token_no_service_even_for_a_malformed_body(client: httpx.AsyncClient) -> None:
    for path in ("/v1/predictions", "/v1/outcomes", "/v1/business"):
        answer = await client.post(path, json={})
        assert answer.status_code == 401
        assert "Authorization: Bearer" in answer.json()["error"]
    for path in ("/v1/cohorts", "/v1/labels", "/v1/outcomes/export"):
        assert (await client.get(path)).status_code == 401


async def test_a_predictor_may_not_post_outcomes_and_is_answered_with_the_missing_right(
    client: httpx.AsyncClient, bearer: Bearer
) -> None:
    body = OWNER | {"outcomes": [{"predictionId": "p1", "label": 1}]}
    answer = await client.post("/v1/outcomes", json=body, headers=bearer("predictor"))
    assert answer.status_code == 403
    assert "--verb=create --resource=modeldeployments.homeostat.dev/outcomes" in answer.json()["error"]


async def test_a_right_in_one_namespace_is_none_in_another(client: httpx.AsyncClient, bearer: Bearer) -> None:
    body = predictions(a_prediction(1)) | {"namespace": "sales"}
    assert (await client.post("/v1/predictions", json=body, headers=bearer("predictor"))).status_code == 403


async def test_without_the_api_server_nothing_is_served_and_the_caller_is_asked_to_retry(
    client: httpx.AsyncClient, bearer: Bearer, reviews: MemoryReviews
) -> None:
    reviews.up = False
    answer = await client.post("/v1/predictions", json=predictions(a_prediction(1)), headers=bearer("predictor"))
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"


async def test_a_batch_or_body_that_is_too_long_is_refused(client: httpx.AsyncClient, bearer: Bearer) -> None:
    many = predictions(*(a_prediction(n) for n in range(5001)))
    assert (await client.post("/v1/predictions", json=many, headers=bearer("predictor"))).status_code == 422

    async def endless() -> Any:
        for _ in range(20):
            yield b" " * 1024 * 1024

    answer = await client.post("/v1/predictions", content=endless(), headers=bearer("predictor"))
    assert answer.status_code == 413
    assert "fewer items" in answer.json()["error"]


async def test_metrics_health_and_the_api_description_are_open(client: httpx.AsyncClient, bearer: Bearer) -> None:
    values = [{"name": "retained", "value": 0.75, "time": START.isoformat()}]
    assert (await client.post("/v1/business", json=OWNER | {"values": values}, headers=bearer("seller"))).json() == {
        "accepted": 1,
        "duplicate": 0,
    }
    await client.post("/v1/predictions", json=predictions(a_prediction(1)), headers=bearer("predictor"))
    text = (await client.get("/metrics")).text
    assert 'homeostat_business_value{deployment="churn",name="retained",namespace="churn"} 0.75' in text
    assert 'homeostat_observer_predictions_total{deployment="churn",namespace="churn",result="accepted"} 1.0' in text
    for path in ("/healthz", "/readyz", "/openapi.json"):
        assert (await client.get(path)).status_code == 200


async def test_labels_and_export_status_are_answered_to_who_may_read_them(
    client: httpx.AsyncClient, bearer: Bearer, observer: Any
) -> None:
    await client.post("/v1/predictions", json=predictions(a_prediction(1)), headers=bearer("predictor"))
    outcome = OWNER | {"outcomes": [{"predictionId": "p1", "label": 1}]}
    await client.post("/v1/outcomes", json=outcome, headers=bearer("seller"))
    observer.exporter.run()
    asked = {"since": START.isoformat(), "model": "churn.churn", "holdoutPercent": "0"}
    labels = await client.get("/v1/labels", params=OWNER | asked, headers=bearer("monitor"))
    assert labels.json() == {"rows": 1, "heldOut": 0, "outcomes": 1, "laterRows": 1, "laterOutcomes": 1}
    status = await client.get("/v1/outcomes/export", params=OWNER, headers=bearer("monitor"))
    assert status.json() == {"labelled": 1, "exported": 1, "parts": 1, "skipped": 0, "lagSeconds": 0.0}
