"""The contract of outcomes: the observer answers as its twin does."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from kubernetes import client

from homeostat.artifacts.holdout import Holdout, held_out
from homeostat.artifacts.outcomes import LabelGain
from homeostat.engines.outcomes import Outcomes
from homeostat.engines.outcomes.memory import MemoryOutcomes, Prediction
from homeostat.engines.outcomes.observer import ObserverOutcomes
from homeostat.reconcile.errors import EngineUnavailable, PlatformError
from homeostat.settings import ObserverSettings
from homeostat.tasks import UNNAMED, Task
from homeostat.tasks.binary import BinaryCohort
from homeostat.tasks.multiclass import MulticlassClassification
from homeostat.tasks.regression import Regression
from tools.waiting import until

NAMESPACE = "default"
START = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
MINUTE = timedelta(minutes=1)

Add = Callable[..., None]
"""From a deployment, predictions, and what their versions predict where it is no probability of a binary model."""


def pair(number: int, told: float, said: float) -> list[Prediction]:
    """A prediction that a caller got from version 1, and what version 2 said to the copy of the request."""
    time, name = START + number * MINUTE, f"request-{number}"
    copy = Prediction("2", name, time, said, id=name, mirrored=True)
    return [Prediction("1", name, time, told, id=name), copy]


def at(minutes: int, score: float, label: int | None = None, entity: str = "", version: str = "1") -> Prediction:
    return Prediction(version, entity or f"customer-{minutes}", START + minutes * MINUTE, score, label)


@pytest.fixture(scope="module")
def token(kubernetes_client: client.ApiClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """File with the token of an account that may write and read what an observer holds, and nothing else."""
    name = f"contract-{uuid.uuid4().hex[:8]}"
    core, rbac = client.CoreV1Api(kubernetes_client), client.RbacAuthorizationV1Api(kubernetes_client)
    metadata = client.V1ObjectMeta(name=name)
    core.create_namespaced_service_account(NAMESPACE, client.V1ServiceAccount(metadata=metadata))
    rules = [
        client.V1PolicyRule(
            api_groups=["homeostat.dev"],
            resources=[f"modeldeployments/{part}" for part in ("predictions", "outcomes", "cohorts")],
            verbs=["create", "get"],
        )
    ]
    rbac.create_namespaced_role(NAMESPACE, client.V1Role(metadata=metadata, rules=rules))
    binding = client.V1RoleBinding(
        metadata=metadata,
        role_ref=client.V1RoleRef(api_group="rbac.authorization.k8s.io", kind="Role", name=name),
        subjects=[client.RbacV1Subject(kind="ServiceAccount", name=name, namespace=NAMESPACE)],
    )
    rbac.create_namespaced_role_binding(NAMESPACE, binding)
    wanted = client.AuthenticationV1TokenRequest(spec=client.V1TokenRequestSpec(audiences=[]))
    made = core.create_namespaced_service_account_token(name, NAMESPACE, wanted)
    file = tmp_path_factory.mktemp("account") / "token"
    assert made.status is not None
    file.write_text(str(made.status.token))
    yield file
    rbac.delete_namespaced_role_binding(name, NAMESPACE)
    rbac.delete_namespaced_role(name, NAMESPACE)
    core.delete_namespaced_service_account(name, NAMESPACE)


@pytest.fixture(params=["memory", "real"])
def told(request: pytest.FixtureRequest) -> Iterator[tuple[Outcomes, Add]]:
    """Outcomes, and how predictions with their labels get there."""
    if request.param == "memory":
        memory = MemoryOutcomes()

        def remember(deployment: str, predictions: list[Prediction], task: Task | None = None) -> None:
            for version in {p.version for p in predictions if task is not None}:
                memory.predicts(NAMESPACE, deployment, version, task or UNNAMED)
            memory.add(NAMESPACE, deployment, *predictions)

        yield memory, remember
        return
    settings: ObserverSettings = request.getfixturevalue("observer_settings")
    token: Path = request.getfixturevalue("token")
    headers = {"Authorization": f"Bearer {token.read_text()}"}

    def post(path: str, deployment: str, **fields: object) -> None:
        body = {"namespace": NAMESPACE, "deployment": deployment, **fields}
        httpx.post(f"{settings.url}{path}", json=body, headers=headers).raise_for_status()

    def add(deployment: str, predictions: list[Prediction], task: Task | None = None) -> None:
        made = [(prediction.id or str(uuid.uuid4()), prediction) for prediction in predictions]
        sent = [
            {"id": i, "version": p.version, "entity": p.entity, "time": p.time.isoformat(), "mirrored": p.mirrored}
            | {"probabilities" if isinstance(p.score, tuple) else "score": p.score}
            for i, p in made
        ]
        models = {p.version: said_of(task) for p in predictions} if task is not None else {}
        post("/v1/predictions", deployment, predictions=sent, models=models)
        seen = (START + 100 * MINUTE).isoformat()
        known = [{"predictionId": i, "label": p.label, "observedAt": seen} for i, p in made if p.label is not None]
        if known:
            post("/v1/outcomes", deployment, outcomes=known)

    with closing(ObserverOutcomes(settings, token)) as real:
        yield real, add


def said_of(task: Task) -> dict[str, object]:
    """A task as the prediction log names it."""
    if isinstance(task, Regression):
        return {"task": task.name, "units": {"origin": task.origin, "scale": task.scale}}
    assert isinstance(task, MulticlassClassification)
    return {"task": task.name, "classes": task.classes}


@pytest.fixture
def deployment() -> str:
    return f"contract-{uuid.uuid4().hex[:8]}"


def test_a_cohort_counts_what_is_known_of_its_predictions(told: tuple[Outcomes, Add], deployment: str) -> None:
    outcomes, add = told
    add(deployment, [at(1, 0.9, 1), at(2, 0.2, 0), at(3, 0.8, 0), at(4, 0.5)])
    cohort = outcomes.cohort(NAMESPACE, deployment, "1", START, START + 10 * MINUTE)
    assert isinstance(cohort, BinaryCohort)
    assert (cohort.predictions, cohort.matured, cohort.positives, cohort.correct) == (4, 3, 1, 2)
    assert cohort.brier_sum == pytest.approx(0.01 + 0.04 + 0.64)
    assert cohort.log_loss_sum == pytest.approx(0.105361 + 0.223144 + 1.609438, abs=1e-5)
    assert cohort.score_bins[90] == (0, 1)


def test_a_cohort_of_a_regression_has_errors_in_the_units_of_its_training(
    told: tuple[Outcomes, Add], deployment: str
) -> None:
    outcomes, add = told
    task = Regression(100.0, 10.0)
    numbers = [
        Prediction("1", f"c{n}", START + n * MINUTE, 100.0 * n, label) for n, label in ((1, 110.5), (2, 190), (3, None))
    ]
    add(deployment, numbers, task)
    cohort = outcomes.cohort(NAMESPACE, deployment, "1", START, START + 10 * MINUTE)
    assert cohort == task.cohort([100.0, 200.0], [110.5, 190.0], 3)


def test_a_cohort_of_classes_names_one_that_training_never_saw(told: tuple[Outcomes, Add], deployment: str) -> None:
    outcomes, add = told
    task, rows = MulticlassClassification(("a", "b")), [(0.75, 0.25), (0.5, 0.5), (0.125, 0.875)]
    made = [
        Prediction("1", f"c{n}", START + n * MINUTE, row, label)
        for n, (row, label) in enumerate(zip(rows, ["a", "new", None], strict=True), 1)
    ]
    add(deployment, made, task)
    cohort = outcomes.cohort(NAMESPACE, deployment, "1", START, START + 10 * MINUTE)
    assert cohort == task.cohort(rows[:2], ["a", "new"], 3)
    assert "Training has seen no rows of 'new' (1)" in cohort.note()


def test_versions_in_shadow_are_compared_as_what_they_predict(told: tuple[Outcomes, Add], deployment: str) -> None:
    outcomes, add = told
    add(deployment, [*pair(1, 100.0, 90.0), *pair(2, 100.0, 130.0)], Regression(100.0, 10.0))
    seen = outcomes.shadow(NAMESPACE, deployment, "2", START)
    assert (seen.task, seen.compared, seen.difference_sum, seen.max_absolute_difference) == (
        "Regression",
        2,
        20.0,
        30.0,
    )


def test_a_cohort_is_after_its_start_up_to_and_including_its_end(told: tuple[Outcomes, Add], deployment: str) -> None:
    outcomes, add = told
    add(deployment, [at(minute, 0.5, 1) for minute in (1, 2, 3, 4)])
    halves = [outcomes.cohort(NAMESPACE, deployment, "1", START + n * MINUTE, START + (n + 2) * MINUTE) for n in (0, 2)]
    assert [half.predictions for half in halves] == [2, 2]


def test_versions_do_not_mix(told: tuple[Outcomes, Add], deployment: str) -> None:
    outcomes, add = told
    add(deployment, [at(1, 0.5, 1), at(2, 0.5, 1, version="2")])
    assert outcomes.cohort(NAMESPACE, deployment, "2", START, START + 5 * MINUTE).predictions == 1


def test_a_version_in_shadow_is_compared_request_by_request_and_is_in_no_cohort(
    told: tuple[Outcomes, Add], deployment: str
) -> None:
    outcomes, add = told
    lone = Prediction("2", "lone", START + 4 * MINUTE, 0.9, id="lone", mirrored=True)
    add(deployment, [*pair(1, 0.1, 0.9), *pair(2, 0.4, 0.6), *pair(3, 0.3, 0.2), lone])
    seen = outcomes.shadow(NAMESPACE, deployment, "2", START + MINUTE)
    assert (seen.mirrored, seen.compared, seen.disagreements) == (3, 2, 1)
    assert seen.difference_sum == pytest.approx(0.1)
    assert [seen.absolute_difference_sum, seen.max_absolute_difference] == pytest.approx([0.3, 0.2])
    assert outcomes.cohort(NAMESPACE, deployment, "2", START, START + 9 * MINUTE).predictions == 0
    assert outcomes.shadow(NAMESPACE, deployment, "1", START).mirrored == 0


def test_an_empty_cohort_is_all_zero(told: tuple[Outcomes, Add], deployment: str) -> None:
    cohort = told[0].cohort(NAMESPACE, deployment, "1", START, START + MINUTE)
    assert (cohort.predictions, cohort.matured) == (0, 0)


def test_a_training_gains_one_row_of_each_entity_outside_its_holdout(
    told: tuple[Outcomes, Add], deployment: str
) -> None:
    outcomes, add = told
    labelled = [
        at(1, 0.5, 1, "early"),
        at(5, 0.5, 1, "a"),
        at(6, 0.5, 0, "a"),
        at(9, 0.5, 0, "a"),
        at(9, 0.5, 0, "b", "2"),
    ]
    add(deployment, [*labelled, at(8, 0.5, None, "unlabelled")])
    since = START + 5 * MINUTE

    def gain(since: datetime, percent: int = 0) -> LabelGain:
        return outcomes.label_gain(NAMESPACE, deployment, since, "churn.churn", Holdout(percent=percent))

    # The observer counts what it has exported, which takes it some seconds.
    until("labels are exported", lambda: gain(since), lambda found: found.rows >= 2)
    assert gain(since) == LabelGain(rows=2, outcomes=4, later_rows=1, later_outcomes=2)
    assert gain(START + 10 * MINUTE) == LabelGain(rows=0)
    held = sum(held_out("churn.churn", entity, 50) for entity in "ab")
    assert (gain(since, 50).rows, gain(since, 50).held_out) == (2 - held, held)
    assert gain(START).rows == 3
    newest = Holdout(latest_seconds=120)
    assert outcomes.label_gain(NAMESPACE, deployment, START, "churn.churn", newest) == gain(START)
    kept = outcomes.label_gain(NAMESPACE, deployment, START, "churn.churn", newest.model_copy(update={"refit": False}))
    assert (kept.rows, kept.held_out, kept.outcomes) == (1, 2, 1)


def test_a_call_without_permission_is_refused_in_clear_words(observer_settings: ObserverSettings, token: Path) -> None:
    with closing(ObserverOutcomes(observer_settings, token)) as outcomes, pytest.raises(PlatformError, match="403"):
        outcomes.cohort("kube-system", "churn", "1", START, START + MINUTE)


def test_a_wrong_token_is_refused(observer_settings: ObserverSettings, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("wrong")
    wrong = ObserverOutcomes(observer_settings, tmp_path / "token")
    with closing(wrong) as outcomes, pytest.raises(PlatformError, match="401"):
        outcomes.label_gain(NAMESPACE, "churn", START, "churn.churn", Holdout(percent=0))


def test_an_observer_that_is_down_is_an_outage(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("any")
    outcomes = ObserverOutcomes(ObserverSettings(url="http://127.0.0.1:9"), tmp_path / "token")
    with pytest.raises(EngineUnavailable, match="HOMEOSTAT_OBSERVER_URL"):
        outcomes.label_gain(NAMESPACE, "churn", START, "churn.churn", Holdout(percent=0))
