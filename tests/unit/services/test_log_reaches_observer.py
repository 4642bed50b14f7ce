"""What a predictor logs, the observer takes: predictions of each task, with their outcomes, are the cohort of that task."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from pydantic import TypeAdapter

from homeostat.artifacts.signature import Signature
from homeostat.engines.objects.memory import MemoryObjects
from homeostat.tasks import AnyCohort
from homeostat_services.access import Access, Guard
from homeostat_services.access.memory import MemoryReviews
from homeostat_services.observer.app import create_app
from homeostat_services.observer.export import Exporter
from homeostat_services.observer.settings import ObserverServiceSettings
from homeostat_services.observer.store import Store, open_database
from homeostat_services.predictor.__main__ import assemble
from homeostat_services.predictor.prediction_log import PredictedBy, Prediction
from support import small_model
from unit.services.predictor.rsgi import RsgiTransport

OWNER = {"namespace": "churn", "deployment": "churn"}
TOKEN = {"Authorization": "Bearer token"}
LABELS: dict[str, list[Any]] = {
    "BinaryClassification": [1, False, 0, True, 1],
    "MulticlassClassification": ["basic", "family", "none", "new", "basic"],
    "Regression": [1000, 650.5, -20, 600, 2000],
}


class Observed:
    """A sink that is an observer, asked as `ObserverSink` asks it, without a socket."""

    def __init__(self, path: Path) -> None:
        store = Store(open_database(path), timedelta(minutes=10))
        rights = {("all", Access("create", "modeldeployments", "churn", part)) for part in ("predictions", "outcomes")}
        reviews = MemoryReviews(
            {"token": "all"}, rights | {("all", Access("get", "modeldeployments", "churn", "cohorts"))}
        )
        exporter = Exporter(store, MemoryObjects(), "homeostat")
        app = create_app(store, exporter, Guard(reviews), ObserverServiceSettings(export_seconds=3600))
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://observer", headers=TOKEN)

    async def send(self, batch: list[Prediction], models: Mapping[str, PredictedBy]) -> None:
        body = msgspec.json.encode({**OWNER, "models": models, "predictions": batch})
        headers = {"Content-Type": "application/json"}
        (await self.http.post("/v1/predictions", content=body, headers=headers)).raise_for_status()


@pytest.mark.parametrize("task", LABELS)
async def test_logged_predictions_and_their_outcomes_are_the_cohort_of_their_task(task: str, tmp_path: Path) -> None:
    observer, (objects, digest) = Observed(tmp_path / "observer.db"), small_model.stored(small_model.files(task))
    application = assemble(small_model.settings(digest), objects, None, observer)
    request = small_model.request(small_model.ROWS, list("abcde"), id="call")
    async with httpx.AsyncClient(transport=RsgiTransport(application), base_url="http://predictor") as http:
        (await http.post("/v2/models/churn/infer", json=request)).raise_for_status()
    await application._log.flush()
    outcomes = [{"predictionId": f"call-{row}", "label": label} for row, label in enumerate(LABELS[task])]
    matched = await observer.http.post("/v1/outcomes", json=OWNER | {"outcomes": outcomes})
    assert matched.json()["accepted"] == 5
    now = datetime.now(UTC)
    window = {"from": (now - timedelta(minutes=5)).isoformat(), "to": (now + timedelta(minutes=5)).isoformat()}
    answer = await observer.http.get("/v1/cohorts", params=OWNER | window | {"version": "1"})
    found: AnyCohort = TypeAdapter(AnyCohort).validate_python(answer.json())
    made = [small_model.PREDICTED[task](row) for row in small_model.ROWS]
    signature = Signature.model_validate_json(small_model.files(task)["signature.json"])
    expected = signature.predicts.cohort(made, LABELS[task])
    assert (found.task, found.predictions, found.matured, found.note()) == (task, 5, 5, expected.note())
    for metric in expected.METRICS:
        mine, theirs = found.estimate(metric), expected.estimate(metric)
        assert (mine and mine.value) == pytest.approx(theirs and theirs.value, rel=1e-5)
