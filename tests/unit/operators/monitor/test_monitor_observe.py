"""What a Monitor reads: windows from counters, cohorts from the observer, and what it says when one does not answer."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from homeostat.api.v1alpha1.signals import Signal
from homeostat.artifacts.holdout import held_out
from homeostat.artifacts.outcomes import LabelGain
from homeostat.artifacts.storage import store
from homeostat.engines.metrics import Series
from homeostat.engines.metrics.memory import MemoryMetrics
from homeostat.engines.objects.memory import MemoryObjects
from homeostat.engines.outcomes.memory import MemoryOutcomes, Prediction
from homeostat.engines.registry.memory import MemoryRegistry
from homeostat.reconcile.conditions import get
from homeostat.reconcile.errors import EngineUnavailable
from homeostat.signals import Baseline, FeatureKind, Moments, SignalState, Window, fit
from homeostat.tasks.regression import Regression
from homeostat.testing.builders import a_feature_set, a_model_deployment, a_monitor, a_training_spec
from homeostat_operators.core.clients import Clients
from homeostat_operators.core.settings import OperatorSettings
from homeostat_operators.monitor import judgement
from homeostat_operators.monitor import observe as reading
from homeostat_operators.monitor.observe import drift_window, output_window
from homeostat_operators.monitor.observed import CohortWindow, DriftWindow
from homeostat_operators.monitor.plan import plan
from unit.operators.monitor.world import BUSINESS, a_signature

BASELINE = fit({"internet": ["dsl", "none"] * 500}, {"internet": FeatureKind.CATEGORICAL})
BUNDLE = {"baseline.json": BASELINE.model_dump_json(by_alias=True).encode(), "signature.json": a_signature()}
NUMBER = {"task": "Regression", "units": {"origin": 0.0, "scale": 2.0}}
MINUTE = timedelta(minutes=1)
NOW = datetime(2026, 8, 31, 12, 0, tzinfo=UTC)
LONG_AGO = NOW - 150 * MINUTE


class Manifests:
    """Reads of a cluster that holds the given objects."""

    def __init__(self, *objects: Any) -> None:
        self.held = [one.model_dump(mode="json", by_alias=True) for one in objects]

    def get(self, _api: str, kind: str, _namespace: str, name: str) -> Any:
        return next((one for one in self.held if (one["kind"], one["metadata"]["name"]) == (kind, name)), None)

    def list(self, _api: str, kind: str, _namespace: str | None, _labels: Any = None) -> list[Any]:
        return [one for one in self.held if one["kind"] == kind]


def served(since: datetime, version: str = "1") -> Any:
    bundle = store(MemoryObjects(), f"s3://homeostat/m/{version}", BUNDLE)
    stable = {"version": version, "digest": bundle.digest, "uri": bundle.uri, "since": since}
    return a_model_deployment(status={"stable": {**stable, "feature_set": "customers"}})


def clients(*objects: Any, metrics: Any = None, outcomes: Any = None) -> Clients:
    objects_ = MemoryObjects()
    store(objects_, "s3://homeostat/m/1", BUNDLE)
    return Clients(
        cluster=Manifests(*objects),  # type: ignore[arg-type]
        objects=objects_,
        registry=MemoryRegistry(),
        metrics=metrics or MemoryMetrics(),
        outcomes=outcomes or MemoryOutcomes(),
        settings=OperatorSettings("homeostat", "p", "s", "http://g"),
    )


def observe(monitor: Any, world: Clients) -> Any:
    return reading.observe(monitor, world, NOW)


def counter(bin_: str, points: list[tuple[datetime, float]], pod: str = "a") -> Series:
    labels = {"__name__": "homeostat_feature_bin_total", "namespace": "churn", "deployment": "churn", "version": "1"}
    own = {"feature": "internet", "bin": bin_, "instance": pod}
    return Series({**labels, **own}, tuple((t.timestamp(), v) for t, v in points))


def every_two_seconds(
    start: datetime, end: datetime, per_second: float, first: float = 0
) -> list[tuple[datetime, float]]:
    count = int((end - start).total_seconds() // 2) + 1
    return [(start + timedelta(seconds=2 * i), first + 2 * i * per_second) for i in range(count)]


def rows(window: DriftWindow) -> float:
    return sum(sum(part.values()) for part in window.counts["internet"])


def read(window: Window, *series: Series) -> DriftWindow:
    deployment = served(LONG_AGO)
    stable = deployment.status.stable
    return drift_window(deployment, stable, window, clients(metrics=MemoryMetrics(series)))


def test_counts_of_adjoining_windows_add_up_over_pods_and_skip_nothing() -> None:
    end = LONG_AGO + 3 * MINUTE
    a = counter("dsl", every_two_seconds(LONG_AGO, end, 5))
    b = counter("dsl", every_two_seconds(LONG_AGO, end, 3), pod="b")
    first = read(Window(LONG_AGO, LONG_AGO + MINUTE), a, b)
    second = read(Window(LONG_AGO + MINUTE, LONG_AGO + 2 * MINUTE), a, b)
    assert (rows(first), rows(second)) == (480, 480)
    assert isinstance(first.baseline, Baseline)


def test_distances_of_numbers_are_summed_over_pods_and_counted_by_their_rows() -> None:
    end = LONG_AGO + MINUTE
    labels = {"namespace": "churn", "deployment": "churn", "version": "1", "feature": "internet"}

    def distance(moment: str, per_second: float, pod: str) -> Series:
        named = {"__name__": "homeostat_feature_distance_total", **labels, "moment": moment, "instance": pod}
        points = every_two_seconds(LONG_AGO, end, per_second)
        return Series(named, tuple((t.timestamp(), v) for t, v in points))

    sums = [distance("above", 2, "a"), distance("above", 1, "b"), distance("square", 5, "a")]
    rows_ = [
        counter("0", every_two_seconds(LONG_AGO, end, 4)),
        counter("__null__", every_two_seconds(LONG_AGO, end, 1)),
    ]
    assert read(Window(LONG_AGO, end), *sums, *rows_).moments == {"internet": Moments(240, 180, 0, 300)}


def test_new_categories_are_counted_by_value_over_pods_and_only_within_the_window() -> None:
    end, known = LONG_AGO + MINUTE, {"namespace": "churn", "deployment": "churn", "version": "1", "feature": "internet"}

    def unseen(value: str, per_second: float, pod: str) -> Series:
        named = {"__name__": "homeostat_feature_unseen_value_total", **known, "value": value, "instance": pod}
        points = every_two_seconds(LONG_AGO - MINUTE, end, per_second)
        return Series(named, tuple((t.timestamp(), v) for t, v in points))

    window = read(Window(LONG_AGO, end), unseen("fibre", 2, "a"), unseen("fibre", 1, "b"), unseen("cable", 0, "a"))
    assert window.new_values == {"internet": {"fibre": 180}}


def test_predictions_are_counted_by_bin_over_pods_and_not_at_all_where_the_model_has_no_bins_of_them() -> None:
    known, end = {"namespace": "churn", "deployment": "churn", "version": "1", "bin": "0"}, LONG_AGO + MINUTE
    points = tuple((t.timestamp(), v) for t, v in every_two_seconds(LONG_AGO, end, 2))
    pods = [Series({"__name__": "homeostat_score_bin_total", **known, "instance": pod}, points) for pod in "ab"]

    def read_output(baseline: Baseline) -> DriftWindow:
        deployment, world = served(LONG_AGO), clients(metrics=MemoryMetrics(pods))
        bundle = store(
            world.objects, "s3://homeostat/m/2", {"baseline.json": baseline.model_dump_json(by_alias=True).encode()}
        )
        stable = deployment.status.stable.model_copy(update={"uri": bundle.uri, "digest": bundle.digest})
        return output_window(deployment, stable, Window(LONG_AGO, end), world)

    scored = fit({"internet": ["dsl"] * 10}, {"internet": FeatureKind.CATEGORICAL}, scores=[0.5] * 10)
    assert sum(sum(part.values()) for part in read_output(scored).counts["score"]) == 240
    assert read_output(BASELINE).counts == {}


def test_after_a_hole_in_the_samples_a_window_is_not_trusted() -> None:
    late = LONG_AGO + 20 * MINUTE
    window = Window(late, late + MINUTE)
    resumed = counter("dsl", every_two_seconds(late + timedelta(seconds=20), late + MINUTE, 5, first=50_000))
    assert "no samples from just before" in read(window, resumed).gap
    anchored = counter("dsl", every_two_seconds(late - MINUTE, late + MINUTE, 5, first=50_000))
    assert read(window, anchored).gap == ""
    assert rows(read(window, anchored)) == 300


def test_the_first_window_of_a_version_needs_no_earlier_samples() -> None:
    born = counter("dsl", every_two_seconds(LONG_AGO + timedelta(seconds=4), LONG_AGO + MINUTE, 5))
    assert read(Window(LONG_AGO, LONG_AGO + MINUTE), born).gap == ""


def test_without_any_series_the_window_is_empty_and_not_an_error() -> None:
    assert read(Window(LONG_AGO, LONG_AGO + MINUTE)).counts == {}


def test_it_reads_the_windows_that_are_due_and_no_more_than_a_bounded_backlog() -> None:
    seen = observe(a_monitor(), clients(a_monitor(), served(LONG_AGO), a_feature_set()))
    assert len(seen.signals["drift"].windows) == 24
    assert seen.signals["drift"].skipped == 150 - 1 - 24
    assert all(isinstance(w, CohortWindow) for w in seen.signals["logloss"].windows)
    assert seen.materialized == {"customers": None}
    assert seen.outages == ()


def test_without_prometheus_no_drift_is_read_and_the_outage_is_named() -> None:
    metrics = MemoryMetrics()
    metrics.available = False
    seen = observe(a_monitor(), clients(served(LONG_AGO), metrics=metrics))
    assert seen.signals["drift"].windows == ()
    assert seen.signals["logloss"].windows
    assert "Prometheus" in seen.outages[0]


def test_a_query_that_gives_no_number_blinds_its_own_signal_only() -> None:
    watched = [signal.model_dump() for signal in a_monitor().spec.signals]
    monitor = a_monitor(signals=[*watched, {**BUSINESS, "query": "sum by("}])
    seen = observe(monitor, clients(served(LONG_AGO)))
    assert seen.signals["retained"].windows == ()
    assert seen.signals["drift"].windows
    assert seen.outages == ()
    assert "query 'sum by(' cannot be read" in seen.mistakes[0]


class SilentOutcomes(MemoryOutcomes):
    """An observer that is down."""

    def cohort(self, *_: Any) -> Any:
        raise EngineUnavailable("the observer does not answer")


def test_without_the_observer_performance_waits_and_drift_goes_on() -> None:
    seen = observe(a_monitor(), clients(served(LONG_AGO), outcomes=SilentOutcomes()))
    assert seen.signals["logloss"].windows == ()
    assert seen.signals["drift"].windows
    assert seen.outages == ("the observer does not answer",)


def of_task(changes: dict[str, Any], metric: str, outcomes: MemoryOutcomes | None = None) -> Any:
    """What a Monitor with that metric reads of a version whose signature has these changes."""
    signals = [*a_monitor().spec.signals[:1], a_monitor().spec.signals[1].model_copy(update={"metric": metric})]
    deployment, monitor = served(LONG_AGO), a_monitor(signals=[signal.model_dump() for signal in signals])
    world = clients(outcomes=outcomes)
    files = {"baseline.json": BUNDLE["baseline.json"], "signature.json": a_signature(**changes)}
    bundle = store(world.objects, "s3://homeostat/m/1", files)
    stable = deployment.status.stable.model_copy(update={"digest": bundle.digest, "uri": bundle.uri})
    deployment = deployment.model_copy(update={"status": deployment.status.model_copy(update={"stable": stable})})
    world.cluster.held.append(deployment.model_dump(mode="json", by_alias=True))  # type: ignore[attr-defined]
    return monitor, observe(monitor, world)


def test_a_metric_that_the_champions_task_does_not_have_is_a_mistake_that_lists_those_that_there_are() -> None:
    monitor, seen = of_task(NUMBER, "auc")
    assert seen.signals["logloss"].windows == ()
    assert seen.mistakes[0].startswith("Signal logloss: Regression has no metric 'auc'; it has rmse, mae, ")
    assert "Version 1 is in service; correct metric, or remove the signal." in seen.mistakes[0]
    status = plan(monitor, seen, NOW).status
    stalled = get(status.conditions, "Stalled")
    assert stalled is not None
    assert (stalled.reason, stalled.message) == ("InvalidSpec", seen.mistakes[0])


def test_performance_of_a_regression_is_judged_by_a_metric_of_its_own() -> None:
    outcomes = MemoryOutcomes()
    outcomes.predicts("churn", "churn", "1", Regression(0.0, 2.0))
    minutes = ((n, LONG_AGO + timedelta(seconds=n / 10)) for n in range(1, 500))
    outcomes.add("churn", "churn", *(Prediction("1", f"e{n}", time, 5.0 + n % 3, 1.5) for n, time in minutes))
    _, seen = of_task(NUMBER, "mae", outcomes)
    # 150 minutes are more than the windows that are judged after an outage.
    assert {window.cohort.task for window in seen.signals["logloss"].windows} == {"Regression"}
    counted = outcomes.cohort("churn", "churn", "1", LONG_AGO, LONG_AGO + MINUTE)
    signal = Signal.model_validate(
        {
            "name": "error", "type": "Performance", "metric": "mae", "window": "60s",
            "threshold": {"operator": "GreaterThan", "value": "3"},
        }
    )  # fmt: skip
    found = judgement.judged(signal, CohortWindow(Window(LONG_AGO, LONG_AGO + MINUTE), counted), None)
    assert found.state is SignalState.BREACHED
    assert found.sentence == "mae: 4.5000 (95 % 4.4284 to 4.5716, 499 outcomes) is above 3."


def test_a_version_that_has_not_predicted_yet_has_no_predictions_of_its_own_task() -> None:
    _, seen = of_task({"task": "MulticlassClassification", "classes": ["a", "b"]}, "macroF1")
    cohorts = {(window.cohort.task, window.cohort.predictions) for window in seen.signals["logloss"].windows}
    assert cohorts == {("MulticlassClassification", 0)}


def test_an_observer_that_takes_a_version_for_a_binary_model_is_not_believed() -> None:
    outcomes = MemoryOutcomes()
    outcomes.add("churn", "churn", Prediction("1", "e", NOW - 5 * MINUTE, 0.5, 1))
    _, seen = of_task(NUMBER, "mae", outcomes)
    assert "counts predictions of version 1 as BinaryClassification, but it predicts Regression" in seen.outages[0]


def test_a_model_whose_files_are_gone_makes_drift_unreadable_and_says_which_file_is_missing() -> None:
    seen = observe(a_monitor(), clients(served(LONG_AGO, version="8")))
    assert seen.signals["drift"].unavailable.startswith("s3://homeostat/m/8/")
    assert "is gone; restore it or train again" in seen.signals["drift"].unavailable
    assert (seen.outages, seen.damages) == ((), (seen.signals["drift"].unavailable,))


def test_a_baseline_that_was_changed_is_not_judged_by_and_stalls_the_monitor() -> None:
    deployment = served(LONG_AGO)
    world = clients(deployment)
    changed = fit({"internet": ["fibre"] * 1000}, {"internet": FeatureKind.CATEGORICAL})
    path = f"{deployment.status.stable.uri}/baseline.json"
    world.objects.write(path, changed.model_dump_json(by_alias=True).encode())
    monitor = a_monitor()
    seen = observe(monitor, world)
    assert seen.signals["drift"].windows == ()
    assert seen.signals["drift"].unavailable.startswith(f"{path} has digest sha256:")
    status = plan(monitor, seen, NOW).status
    drift = next(signal for signal in status.signals if signal.name == "drift")
    stalled = get(status.conditions, "Stalled")
    assert stalled is not None
    assert (drift.state, stalled.reason) == (SignalState.NO_DATA, "InvalidData")


@pytest.mark.parametrize("since", [None, LONG_AGO])
def test_labels_are_counted_from_the_start_of_the_breach(since: datetime | None) -> None:
    outcomes = MemoryOutcomes()
    outcomes.add(
        "churn",
        "churn",
        Prediction("1", "early", LONG_AGO - MINUTE, 0.5, 1),
        *(Prediction("1", entity, LONG_AGO + MINUTE, 0.5, 1) for entity in ("a", "d", "a")),
    )
    seen = observe(a_monitor(status={"breach_since": since}), clients(served(LONG_AGO), outcomes=outcomes))
    assert (seen.labels.gain.rows if seen.labels else None) == (2 if since else None)


def test_labels_count_as_the_templates_training_takes_them_without_the_holdout_and_within_its_window() -> None:
    outcomes, template = MemoryOutcomes(), a_training_spec()
    times = {"old": NOW - 11 * MINUTE, "new": NOW - 10 * MINUTE}
    made = [Prediction("1", f"{age}-{n}", time, 0.5, 1) for age, time in times.items() for n in range(50)]
    outcomes.add("churn", "churn", *made)
    template["dataset"] |= {"window": {"last": "10m"}, "holdout": {"percent": 30}}
    retrain = {"action": "Auto", "template": {"spec": template}, "requires": {"new_labels": 1}}
    monitor = a_monitor(retrain=retrain, status={"breach_since": LONG_AGO})
    seen = observe(monitor, clients(served(LONG_AGO), outcomes=outcomes))
    held = sum(held_out("churn.churn", f"new-{n}", 30) for n in range(50))
    assert 0 < held < 50
    assert seen.labels is not None
    assert (seen.labels.since, seen.labels.gain.rows, seen.labels.gain.held_out) == (LONG_AGO, 50 - held, held)


@pytest.mark.parametrize(("limits", "rows"), [(["churn"], 1), (["churn", ""], 2), ([], 2), (["other"], 2)], ids=str)
def test_outcomes_before_the_time_from_which_a_template_takes_them_count_for_nothing(
    limits: list[str], rows: int
) -> None:
    outcomes, template = MemoryOutcomes(), a_training_spec()
    early, late = (Prediction("1", name, LONG_AGO + n * MINUTE, 0.5, 1) for n, name in enumerate(("a", "b")))
    outcomes.add("churn", "churn", early, late)
    limited = [{"outcomes_of": name or "churn", **({"from": LONG_AGO + MINUTE} if name else {})} for name in limits]
    template["dataset"] |= {"labels": limited or template["dataset"]["labels"], "holdout": {"percent": 5}}
    template["output"] = {"model": "churn"}
    retrain = {"action": "Auto", "template": {"spec": template}, "requires": {"new_labels": 1}}
    monitor = a_monitor(retrain=retrain, status={"breach_since": LONG_AGO})
    seen = observe(monitor, clients(served(LONG_AGO), outcomes=outcomes))
    assert seen.labels is not None
    assert seen.labels.gain.rows == rows


def test_a_template_that_takes_all_rows_of_an_entity_counts_them() -> None:
    outcomes, template = MemoryOutcomes(), a_training_spec()
    times = [LONG_AGO + n * MINUTE for n in range(5)]
    outcomes.add("churn", "churn", *(Prediction("1", name, time, 0.5, 1) for name in ("a", "b") for time in times))
    template["dataset"] |= {"rows_per_entity": "All", "holdout": {"percent": 5}}
    retrain = {"action": "Auto", "template": {"spec": template}, "requires": {"new_labels": 11}}
    monitor = a_monitor(retrain=retrain, status={"breach_since": LONG_AGO})
    seen = observe(monitor, clients(served(LONG_AGO), outcomes=outcomes))
    assert seen.labels is not None
    assert seen.labels.gain == LabelGain(rows=10, outcomes=10, later_rows=4, later_outcomes=4)


def test_a_stale_feature_set_of_the_champion_is_named() -> None:
    old = {"number": 1, "through": LONG_AGO, "time": LONG_AGO, "online_rows": 1}
    stale = a_feature_set(status={"last_materialization": old}, freshness={"max_age": "150m"})
    fresh = a_feature_set(status={"last_materialization": old}, freshness={"max_age": "151m"})
    assert observe(a_monitor(), clients(served(LONG_AGO), stale)).stale == ("customers",)
    assert observe(a_monitor(), clients(served(LONG_AGO), fresh)).stale == ()


def test_without_a_deployment_nothing_is_read() -> None:
    seen = observe(a_monitor(), clients())
    assert (seen.deployment, seen.signals) == (None, {})


def test_a_performance_signal_of_a_deployment_without_observation_names_what_to_set() -> None:
    deployment = served(NOW - 3 * MINUTE)
    spec = deployment.spec.model_copy(update={"observation": None})
    observed = observe(a_monitor(), clients(deployment.model_copy(update={"spec": spec})))
    logloss, drift = observed.signals["logloss"], observed.signals["drift"]
    assert logloss.mistaken
    assert "set spec.observation of the ModelDeployment" in logloss.unavailable
    assert logloss.unavailable in observed.mistakes
    assert not drift.mistaken
