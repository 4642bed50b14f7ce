import asyncio
import html as html_module
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from homeostat.api.common import API_VERSION
from homeostat.api.v1alpha1 import KINDS, Monitor, TrainingJob
from homeostat.cluster import Manifest
from homeostat.cluster.memory import MemoryCluster
from homeostat.views.model_deployments import ShareView
from homeostat.views.overview import overview
from homeostat.views.snapshot import Snapshot
from homeostat_services.access import Caller
from homeostat_services.console import charts
from homeostat_services.console.pages import Viewer, render_sections
from homeostat_services.console.trigger import TrainingRequest, training_job

ALL = frozenset(kind.PLURAL for kind in KINDS)
ADA = {"Authorization": "Bearer token-ada"}
COOKIE = {"Cookie": "homeostat_token=token-ada"}


def job(cluster: MemoryCluster, name: str) -> Manifest:
    found = cluster.get(API_VERSION, TrainingJob.KIND, "churn", name)
    assert found is not None
    return found


def made_in(cluster: MemoryCluster) -> list[Manifest]:
    return [job(cluster, name) for _, name, _ in cluster.created]


def test_the_overview_reports_cause_action_reason_and_figures_of_the_last_decision(snapshot: Snapshot) -> None:
    page = overview(snapshot, "churn", ALL)
    decision = page.decisions[0].decision
    assert decision is not None
    assert (decision.cause, decision.action, decision.reason) == ("CovariateShift", "Retrain", "Admitted")
    html = "".join(render_sections(page, None).values())
    for text in (
        "CovariateShift",
        "the model has not learnt these customers",
        "4,012",
        "churn-retrain-1",
        "logloss.lower",
    ):
        assert text in html


def test_a_rollout_shows_who_answers_which_share_and_the_gates_intervals(snapshot: Snapshot) -> None:
    rollout = overview(snapshot, "churn", ALL).rollouts[0]
    assert rollout.shares == (ShareView("1", "stable", 75, 0), ShareView("2", "candidate", 25, 0))
    assert rollout.steps == "Step 1 of 1: v2 answers 25 % of requests for 20s, at least 200"
    assert "0.198 … 0.331" in render_sections(overview(snapshot, "churn", ALL), None)["rollout"]


def test_a_version_in_shadow_is_shown_with_its_copies_and_how_far_apart_the_scores_are(snapshot: Snapshot) -> None:
    status = snapshot.objects["modeldeployments"][0]["status"]
    told = {
        "mirroredPredictions": 2,
        "comparedPredictions": 2,
        "meanDifference": "0.1",
        "meanAbsoluteDifference": "0.2",
        "maxAbsoluteDifference": "0.3",
        "disagreements": 1,
    }
    status["candidate"] |= {
        "weight": 0,
        "mirror": 40,
        "shadow": told | {"message": "On 2 mirrored requests its scores are near"},
    }
    status["traffic"] = [
        {"version": "1", "service": "churn-v1", "weight": 100},
        {"version": "2", "service": "churn-v2", "weight": 0, "mirror": 40},
    ]
    html = render_sections(overview(snapshot, "churn", ALL), None)
    assert "candidate <b>v2</b> a copy of 40 %" in html["rollout"]
    assert "On 2 mirrored requests its scores are near" in html["rollout"]
    assert "v2 with a copy of 40 % of requests" in "".join(html.values())


def test_a_training_and_a_deployment_name_the_engine_that_they_are_with(snapshot: Snapshot) -> None:
    html = "".join(render_sections(overview(snapshot, "churn", ALL), None).values())
    assert "Kubeflow" in html
    assert "Seldon" in html


def test_signals_carry_the_windows_seen_since_the_console_started(snapshot: Snapshot) -> None:
    seen = {("churn", "churn", "drift"): [(datetime(2026, 1, 5, tzinfo=UTC), value) for value in (0.01, 0.3, 0.884)]}
    drift, logloss = overview(snapshot, "churn", ALL, seen).signals
    assert (drift.value, drift.state, drift.windows) == (0.884, "Breached", (0.01, 0.3, 0.884))
    assert (logloss.lower, logloss.streak, logloss.windows) == (0.612, "2 of 2 windows", ())


def test_a_drift_signal_shows_whose_figures_it_has_and_which_features_cannot_be_judged(snapshot: Snapshot) -> None:
    drift = snapshot.objects["monitors"][0]["status"]["signals"][0]
    few = {"feature": "age", "reason": "it has no <values> in training", "effectiveSamples": 1640}
    drift |= {"feature": "internet_service", "state": "WithinBounds", "unjudgedFeatures": [few]}
    page = overview(snapshot, "churn", ALL)
    view = page.signals[0]
    assert (view.feature, view.state, view.tone) == ("internet_service", "Within bounds, 1 feature not judged", "busy")
    assert [(one.feature, one.effective_samples) for one in view.unjudged] == [("age", 1640)]
    html = render_sections(page, None)["signals"]
    assert "of internet_service" in html
    assert "<dt>age</dt><dd>it has no &lt;values&gt; in training; effective sample 1,640</dd>" in html
    drift["unjudgedFeatures"] *= 2
    assert overview(snapshot, "churn", ALL).signals[0].state == "Within bounds, 2 features not judged"


def test_a_performance_signal_shows_its_metric_and_figures_in_the_unit_of_the_label(snapshot: Snapshot) -> None:
    monitor = snapshot.objects["monitors"][0]
    spec, status = monitor["spec"]["signals"][1], monitor["status"]["signals"][1]
    spec |= {"metric": "rmse", "threshold": {"operator": "GreaterThan", "value": "1250000"}}
    status |= {"value": "1304567.8912", "lower": "0.000012", "upper": "2000.5000"}
    page = overview(snapshot, "churn", ALL)
    assert (page.signals[1].metric, page.signals[1].feature) == ("rmse", "")
    html = render_sections(page, None)["signals"]
    assert "<strong>1,304,568</strong>" in html
    assert "rmse · breach above 1,250,000 · 95 % from 1.2e-05 to 2000" in html
    assert "logloss is 1,304,568; it breaches above 1,250,000" in html


@pytest.mark.parametrize(
    ("figure", "shown"),
    [
        (0.0, "0"),
        (-0.12345, "-0.1235"),
        (9999.4, "9999"),
        (10000.0, "10,000"),
        (-123456.7, "-123,457"),
        (1e16, "1e+16"),
    ],
)
def test_a_figure_has_four_digits_or_is_whole(figure: float, shown: str) -> None:
    assert charts.number(figure) == shown


@pytest.mark.parametrize(
    ("changes", "streak"),
    [
        ({"consecutiveBreaches": 1}, "1 of 2 windows"),
        ({"consecutiveBreaches": 9}, "2 of 2 windows"),
        ({"consecutiveBreaches": 9, "windowsWithinBounds": 1}, "within bounds in 1 of 2 windows"),
        ({"consecutiveBreaches": 0}, ""),
    ],
)
def test_a_signal_shows_how_near_a_change_of_its_state_is(
    snapshot: Snapshot, changes: dict[str, int], streak: str
) -> None:
    snapshot.objects["monitors"][0]["status"]["signals"][0] |= changes
    assert overview(snapshot, "churn", ALL).signals[0].streak == streak


def test_the_timeline_joins_events_decisions_and_outcomes_newest_first(snapshot: Snapshot) -> None:
    titles = [moment.title for moment in overview(snapshot, "churn", ALL).timeline]
    assert titles == ["CovariateShift → Retrain", "CovariateShift", "v1 Promoted"]


def test_what_the_caller_may_not_list_is_not_on_the_page(snapshot: Snapshot) -> None:
    page = overview(snapshot, "churn", frozenset({"featuresets"}))
    html = "".join(render_sections(page, None).values())
    assert "customers" in html
    assert "CovariateShift" not in html
    assert "may not list TrainingJob, ModelDeployment, Monitor" in html


def test_an_empty_namespace_says_what_to_do() -> None:
    html = "".join(render_sections(overview(Snapshot(), "churn", ALL), None).values())
    assert "kubectl apply -f featureset.yaml" in html


def test_text_of_users_cannot_become_markup(snapshot: Snapshot) -> None:
    monitor = snapshot.objects["monitors"][0]
    monitor["status"]["lastDecision"]["message"] = "<script>alert(1)</script>"
    monitor["status"]["signals"][0]["message"] = '"><img src=x>'
    html = "".join(render_sections(overview(snapshot, "churn", ALL), "<b>").values())
    assert "<script>" not in html
    assert "<img" not in html
    assert "<b>" not in html.split("</p>")[0]


async def test_without_a_token_the_page_leads_to_the_login_and_the_api_refuses(client: httpx.AsyncClient) -> None:
    answer = await client.get("/")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    for path in ("/api/v1/overview?namespace=churn", "/api/v1/namespaces/churn/monitors", "/live?namespace=churn"):
        assert (await client.get(path)).status_code == 401
    assert (await client.post("/api/v1/trainingjobs", json={})).status_code == 401


async def test_signing_in_sets_a_cookie_that_scripts_cannot_read_and_signing_out_takes_it_back(
    client: httpx.AsyncClient,
) -> None:
    wrong = await client.post("/login", data={"token": "guess"})
    assert wrong.status_code == 401
    assert "does not accept this token" in wrong.text
    answer = await client.post("/login", data={"token": "token-ada"})
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    page = await client.get("/")
    assert "CovariateShift" in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'self'")
    await client.post("/logout")
    assert (await client.get("/")).status_code == 303


async def test_a_login_form_of_another_site_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/login", data={"token": "token-ada"}, headers={"Origin": "http://elsewhere"})
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


async def test_a_caller_sees_only_the_kinds_that_they_may_list(client: httpx.AsyncClient) -> None:
    page = await client.get("/", headers={"Cookie": "homeostat_token=token-eve"})
    assert "CovariateShift" in page.text
    assert "Materialized" not in page.text
    eve = {"Authorization": "Bearer token-eve"}
    refused = await client.get("/api/v1/namespaces/churn/trainingjobs", headers=eve)
    assert refused.status_code == 403
    assert "--verb=list --resource=trainingjobs.homeostat.dev" in refused.json()["error"]
    nobody = await client.get("/", headers={"Cookie": "homeostat_token=token-nobody"})
    assert "Nothing to show yet" in nobody.text


async def test_the_api_reads_objects_and_explains_decisions(client: httpx.AsyncClient) -> None:
    jobs = (await client.get("/api/v1/namespaces/churn/trainingjobs", headers=ADA)).json()
    assert [o["metadata"]["name"] for o in jobs["items"]] == ["churn-first", "churn-retrain-1"]
    one = await client.get("/api/v1/namespaces/churn/featuresets/customers", headers=ADA)
    assert one.json()["kind"] == "FeatureSet"
    decision = (await client.get("/api/v1/namespaces/churn/monitors/churn/decision", headers=ADA)).json()
    assert decision["lastDecision"]["cause"] == "CovariateShift"
    assert decision["labels"] == {"available": 4012, "required": 4000}
    loop = (await client.get("/api/v1/overview", params={"namespace": "churn"}, headers=COOKIE)).json()
    assert loop["rollouts"][0]["url"] == "http://127.0.0.1:30080/churn/churn"
    missing = await client.get("/api/v1/namespaces/churn/monitors/other", headers=ADA)
    assert (missing.status_code, missing.json()["error"]) == (404, 'monitors.homeostat.dev "other" not found')


async def test_a_retried_request_for_a_training_makes_one_job_that_names_its_caller(
    client: httpx.AsyncClient, cluster: MemoryCluster
) -> None:
    body = {"namespace": "churn", "from": "churn-first", "message": "new prices"}
    headers = ADA | {"Idempotency-Key": "monday"}
    first, again = [await client.post("/api/v1/trainingjobs", json=body, headers=headers) for _ in range(2)]
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    (created,) = made_in(cluster)
    assert created["metadata"]["annotations"]["homeostat.dev/requested-by"] == "ada"
    assert created["spec"]["trigger"] == {"type": "API", "message": "new prices (by ada)"}
    assert created["spec"]["dataset"] == job(cluster, "churn-first")["spec"]["dataset"]
    other = await client.post("/api/v1/trainingjobs", json=body | {"message": "other"}, headers=headers)
    assert other.status_code == 409
    assert "new Idempotency-Key" in other.json()["error"]


async def test_without_a_key_every_request_makes_a_job_and_a_taken_name_is_the_servers_conflict(
    client: httpx.AsyncClient, cluster: MemoryCluster
) -> None:
    body = {"namespace": "churn", "from": "churn-first"}
    for _ in range(2):
        assert (await client.post("/api/v1/trainingjobs", json=body, headers=ADA)).status_code == 201
    assert len({o["metadata"]["name"] for o in made_in(cluster)}) == 2
    taken = await client.post("/api/v1/trainingjobs", json=body | {"name": "churn-first"}, headers=ADA)
    assert taken.status_code == 409
    assert "already exists" in taken.json()["error"]


async def test_a_browsers_cookie_cannot_ask_for_a_training(client: httpx.AsyncClient, cluster: MemoryCluster) -> None:
    answer = await client.post(
        "/api/v1/trainingjobs", json={"namespace": "churn", "from": "churn-first"}, headers=COOKIE
    )
    assert answer.status_code == 401
    assert cluster.created == []


@pytest.mark.parametrize("body", [{}, {"spec": {}, "from": "a"}, {"spec": {}, "name": "a", "generateName": "b-"}])
async def test_a_request_for_a_training_has_one_spec_and_one_way_to_its_name(
    client: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    answer = await client.post("/api/v1/trainingjobs", json={"namespace": "churn"} | body, headers=ADA)
    assert answer.status_code == 422
    assert "give " in answer.json()["error"]


async def test_the_live_stream_sends_every_section_first_and_then_only_what_changed(
    client: httpx.AsyncClient, cluster: MemoryCluster
) -> None:
    app = client.app  # type: ignore[attr-defined]
    state = app.state.loop
    stream = Viewer(state, app.state.guard).stream("token-ada", "churn")
    first = [await anext(stream) for _ in range(6)]
    assert [f'"id": "{name}"' in text for name, text in zip(
        ("notice", "why", "loop", "signals", "rollout", "timeline"), first, strict=True
    )] == [True] * 6  # fmt: skip
    status = cluster.get(API_VERSION, Monitor.KIND, "churn", "churn")["status"]  # type: ignore[index]
    status["lastDecision"]["values"][0]["value"] = "0.999"
    cluster.change((API_VERSION, Monitor.KIND, "churn", "churn"), status=status)
    waiting = anext(stream)
    task = asyncio.ensure_future(waiting)
    while not task.done():
        await state.refresh()
        await asyncio.sleep(0)
    assert '"id": "why"' in task.result()
    assert "0.999" in task.result()
    await stream.aclose()  # type: ignore[attr-defined]
    assert state.watchers == 0


async def test_when_the_api_server_is_down_the_last_state_stays_with_a_warning(
    client: httpx.AsyncClient, cluster: MemoryCluster
) -> None:
    cluster.go_down()
    await client.app.state.loop.refresh()  # type: ignore[attr-defined]
    page = await client.get("/", headers=COOKIE)
    assert "This page may be out of date" in page.text
    assert "CovariateShift" in page.text


def test_a_card_shows_what_a_training_left_out(snapshot: Snapshot) -> None:
    text = html_module.unescape("".join(render_sections(overview(snapshot, "churn", ALL), None).values()))
    assert "1 warning about the data" in text
    assert "is not trained on: its values are missing in all 3,102 rows." in text


def test_a_card_shows_the_task_of_a_training_that_names_one(snapshot: Snapshot) -> None:
    snapshot.objects["trainingjobs"][0]["spec"]["dataset"]["target"] = {"task": "Regression"}
    named, other = next(s for s in overview(snapshot, "churn", ALL).stages if s.plural == "trainingjobs").cards
    facts = {card.name: dict(card.facts).get("Task") for card in (named, other)}
    assert facts == {"churn-first": "Regression", "churn-retrain-1": None}


def spoiled(snapshot: Snapshot) -> None:
    snapshot.objects["trainingjobs"][0]["spec"]["dataset"]["window"] = {"last": "0s"}
    snapshot.objects["monitors"].append(deepcopy(snapshot.objects["monitors"][0]))
    snapshot.objects["monitors"][1]["metadata"]["name"] = "spoiled"
    snapshot.objects["monitors"][1]["spec"]["signals"][0]["window"] = "0s"


def test_an_object_that_cannot_be_read_is_shown_with_the_reason_beside_all_the_others(snapshot: Snapshot) -> None:
    spoiled(snapshot)
    page = overview(snapshot, "churn", ALL)
    bad, good = next(stage for stage in page.stages if stage.plural == "trainingjobs").cards
    assert (bad.name, bad.tone, bad.state) == ("churn-first", "bad", "Unreadable")
    assert "spec.dataset.window.last: '0s' must be more than 0s" in bad.message
    assert good.name == "churn-retrain-1"
    assert "cannot be read and is left out until it is corrected or deleted" in "".join(
        render_sections(page, None).values()
    )
    assert len(page.decisions) == 1


async def test_a_monitor_that_cannot_be_read_stops_neither_the_page_nor_the_history_of_the_others(
    snapshot: Snapshot, client: httpx.AsyncClient, cluster: MemoryCluster
) -> None:
    spoiled(snapshot)
    cluster.put(snapshot.objects["monitors"][1])
    state = client.app.state.loop  # type: ignore[attr-defined]
    await state.refresh()
    assert state.outage is None
    assert {monitor for _, monitor, _ in state.windows} == {"churn"}
    answer = await client.get("/api/v1/namespaces/churn/monitors/spoiled/decision", headers=ADA)
    assert answer.status_code == 409
    assert "Monitor spoiled cannot be read" in answer.text


def test_a_caller_whose_name_does_not_fit_beside_the_message_is_cut_visibly() -> None:
    caller = Caller("ada" * 500)
    made = training_job(
        TrainingRequest.model_validate({"namespace": "churn", "from": "churn-first"}), {}, caller, "monday"
    )
    message = made["spec"]["trigger"]["message"]
    assert (len(message), message[-1]) == (1024, "…")
