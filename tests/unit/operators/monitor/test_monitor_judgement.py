"""Windows become the state of a signal, and states become evidence: bounds, streaks and figures."""

from datetime import timedelta
from typing import Any

import pytest

from homeostat.api.v1alpha1.monitor import Monitor
from homeostat.api.v1alpha1.signals import Signal
from homeostat.artifacts.outcomes import LabelGain
from homeostat.enums import SignalState
from homeostat.signals import Baseline, FeatureKind, Window, fit
from homeostat.tasks import AnyCohort
from homeostat.tasks.binary import BinaryClassification, BinaryMetric
from homeostat.testing.builders import a_monitor
from homeostat_operators.monitor import judgement
from homeostat_operators.monitor.diagnosis import gather_evidence
from homeostat_operators.monitor.observed import (
    CohortWindow,
    DriftWindow,
    LabelCount,
    MonitorObservation,
    ValueWindow,
)
from homeostat_operators.monitor.plan import plan
from unit.operators.monitor.judging import DRIFT, FIRST, LOSS, NOW, RETAINED, SECOND, STABLE, a_status, after
from unit.operators.monitor.world import (
    BAD,
    BASELINE,
    EVEN,
    GOOD,
    MINUTE,
    MOVED,
    NOTHING,
    PREDICTION_DRIFT,
    RISEN,
    SCORED,
    START,
    STILL,
    a_deployment,
    retrain,
    shifted,
)

PREDICTIONS = Signal.model_validate(PREDICTION_DRIFT)


def performance(cohort: AnyCohort, usual: float | None = None, signal: Signal = LOSS) -> judgement.Judged:
    return judgement.judged(signal, CohortWindow(FIRST, cohort), usual)


def predicted(mix: dict[str, float], baseline: Baseline = SCORED) -> judgement.Judged:
    return judgement.judged(PREDICTIONS, DriftWindow(FIRST, baseline, {"score": [mix] * 12}), None)


def test_predictions_that_are_distributed_otherwise_than_in_training_drift_and_name_no_feature() -> None:
    moved = predicted(RISEN)
    assert (moved.state, moved.feature, moved.drifted, moved.samples) == (SignalState.BREACHED, "", (), 720)
    assert moved.value == pytest.approx(0.54, abs=0.05)
    assert moved.sentence.startswith("score has an excess PSI of 0.5")
    still = predicted(EVEN)
    assert (still.state, still.feature) == (SignalState.WITHIN_BOUNDS, "")
    assert still.sentence.startswith("no output drifted: score has an excess PSI of")


def test_predicted_classes_drift_where_one_becomes_more_frequent_or_is_none_that_was_predicted_in_training() -> None:
    kinds = {"internet": FeatureKind.CATEGORICAL}
    classes = fit({"internet": ["dsl"] * 4000}, kinds, scores=["basic", "family"] * 2000)
    assert predicted({"basic": 30.0, "family": 30.0}, classes).state is SignalState.WITHIN_BOUNDS
    assert predicted({"basic": 50.0, "family": 10.0}, classes).state is SignalState.BREACHED
    new = predicted({"basic": 20.0, "family": 20.0, "__unseen__": 20.0}, classes)
    assert new.state is SignalState.BREACHED
    assert "33.3% of values are unseen in training" in new.sentence


def test_predictions_beyond_those_of_training_drift() -> None:
    beyond = predicted({**EVEN, "__above__": 30.0})
    assert beyond.state is SignalState.BREACHED
    assert "33.3% of values are above training's range, in training 0.0%" in beyond.sentence


def test_drift_of_predictions_without_their_counts_or_their_bins_is_no_data() -> None:
    assert predicted(dict.fromkeys(EVEN, 0.0)).sentence == "No requests arrived in this window."
    old = predicted(EVEN, BASELINE)
    assert old.state is SignalState.NO_DATA
    assert old.sentence == "baseline.json of the served model has no bins of predictions; train it again."
    gap = judgement.judged(PREDICTIONS, DriftWindow(FIRST, SCORED, {}, "No samples."), None)
    assert (gap.state, gap.sentence) == (SignalState.NO_DATA, "No samples.")


def drift(mix: dict[str, float], window: Window = FIRST) -> DriftWindow:
    return DriftWindow(window, BASELINE, {"internet": [mix] * 12})


@pytest.mark.parametrize(
    ("signal", "seconds", "count"), [(DRIFT, 69, 0), (DRIFT, 70, 1), (LOSS, 129, 0), (LOSS, 130, 1), (RETAINED, 70, 1)]
)
def test_a_window_is_due_ten_seconds_after_its_end_and_with_outcomes_after_their_delay(
    signal: Signal, seconds: int, count: int
) -> None:
    due = judgement.due(signal, None, STABLE, MINUTE, START + timedelta(seconds=seconds))
    assert (len(due.windows), due.skipped) == (count, 0)


@pytest.mark.parametrize(("minutes", "count", "skipped"), [(24, 24, 0), (25, 24, 1), (40, 24, 16)])
def test_of_missed_windows_the_newest_twenty_four_are_judged(minutes: int, count: int, skipped: int) -> None:
    now = START + minutes * MINUTE + timedelta(seconds=10)
    due = judgement.due(DRIFT, None, STABLE, MINUTE, now)
    assert (len(due.windows), due.skipped, due.windows[-1].end) == (count, skipped, START + minutes * MINUTE)


def test_windows_of_another_version_are_forgotten() -> None:
    old = a_status(judged_through=SECOND.end, consecutive_breaches=1, first_breach=START)
    assert judgement.remembered(old, STABLE).breaches == 1
    assert judgement.remembered(old.model_copy(update={"version": "0"}), STABLE).breaches == 0
    assert judgement.remembered(None, STABLE).judged_through is None
    assert after(LOSS, old=old).judged_through == SECOND.end
    fresh = after(LOSS, old=old.model_copy(update={"version": "0"}))
    assert (fresh.state, fresh.judged_through, fresh.since) == (SignalState.OUTCOMES_PENDING, None, NOW)
    unjudged = after(LOSS, old=a_status(version="0"))
    assert (unjudged.state, unjudged.version) == (SignalState.OUTCOMES_PENDING, "1")
    earlier = after(LOSS, old=a_status(judged_through=START - MINUTE))
    assert (earlier.state, earlier.judged_through) == (SignalState.OUTCOMES_PENDING, None)


def test_an_estimate_is_recorded_with_its_bounds_samples_and_coverage() -> None:
    found = performance(GOOD)
    assert (found.state, found.samples, found.coverage, found.baseline_coverage) == (
        SignalState.WITHIN_BOUNDS,
        500,
        1.0,
        1.0,
    )
    assert found.value == pytest.approx(0.10536, abs=1e-5)
    assert found.lower is not None
    assert found.upper is not None
    status = after(LOSS, CohortWindow(FIRST, BAD))
    assert status.value is not None
    assert status.lower is not None
    assert status.upper is not None
    assert float(status.lower) < float(status.value) < float(status.upper)
    assert (status.samples, status.coverage, status.baseline_coverage) == (500, "1.0000", "1.0000")


def test_another_metric_than_log_loss_is_estimated_where_the_signal_names_it() -> None:
    accuracy = LOSS.model_copy(update={"metric": BinaryMetric.ACCURACY})
    assert performance(GOOD, signal=accuracy).value == 1.0
    assert performance(BAD, signal=accuracy).value == 0.5
    unnamed = LOSS.model_copy(update={"metric": None})
    assert performance(GOOD, signal=unnamed).value == performance(GOOD).value


def test_without_an_estimate_the_usual_coverage_stays() -> None:
    few = BinaryClassification().cohort([0.9, 0.1], [1, 0])
    found = performance(few, 0.9)
    assert (found.state, found.value, found.lower, found.upper) == (SignalState.OUTCOMES_PENDING, None, None, None)
    assert (found.coverage, found.baseline_coverage, found.samples) == (1.0, 0.9, 2)
    none = performance(BinaryClassification().cohort([], []), 0.9)
    assert (none.coverage, none.baseline_coverage) == (None, 0.9)


def test_outcomes_that_stay_away_are_no_data_and_leave_the_usual_coverage() -> None:
    half = BinaryClassification().cohort([0.9, 0.1] * 150, [0, 1] * 150, predictions=1000)
    found = performance(half, 1.0)
    assert (found.state, found.coverage, found.baseline_coverage, found.samples) == (
        SignalState.NO_DATA,
        0.3,
        1.0,
        300,
    )
    assert "Only 30% of the due outcomes are known, 100% are usual" in found.sentence
    assert performance(half, 0.3).state is SignalState.BREACHED
    assert performance(half).baseline_coverage == 0.3
    status = after(LOSS, CohortWindow(FIRST, GOOD), CohortWindow(SECOND, half))
    assert (status.state, status.coverage, status.baseline_coverage) == (SignalState.NO_DATA, "0.3000", "1.0000")


@pytest.mark.parametrize(
    ("value", "state", "sentence"),
    [
        (0.5, SignalState.BREACHED, "0.5 is beyond the bound LessThan 1."),
        (2.0, SignalState.WITHIN_BOUNDS, "2 is within the bound LessThan 1."),
        (None, SignalState.NO_DATA, "The query returns no number."),
    ],
)
def test_a_business_number_is_beyond_its_bound_or_within_it(
    value: float | None, state: SignalState, sentence: str
) -> None:
    found = judgement.judged(RETAINED, ValueWindow(FIRST, value), None)
    samples = 0 if value is None else 1
    assert (found.state, found.sentence, found.value, found.samples) == (state, sentence, value, samples)


def test_a_breach_counts_once_enough_windows_agree_and_says_so_before() -> None:
    two = LOSS.model_copy(update={"consecutive": 2})
    one = after(two, CohortWindow(FIRST, BAD))
    assert (one.state, one.consecutive_breaches, one.first_breach) == (SignalState.WITHIN_BOUNDS, 1, START)
    assert one.message.endswith("Breach 1 of 2 consecutive ones required.")
    both = after(two, CohortWindow(SECOND, BAD), old=one)
    assert (both.state, both.consecutive_breaches, both.since) == (SignalState.BREACHED, 2, SECOND.end)
    assert "consecutive" not in both.message
    third = Window(SECOND.end, SECOND.end + MINUTE)
    assert after(two, CohortWindow(third, BAD), old=both).since == SECOND.end


def minutes(number: int) -> Window:
    return Window(START + number * MINUTE, START + (number + 1) * MINUTE)


def states_of(signal: Signal, windows: list[Any]) -> list[str]:
    status, states = None, []
    for window in windows:
        status = after(signal, window, old=status)
        states.append(status.state.value)
    return states


def test_a_state_changes_only_after_as_many_windows_as_required_in_a_row() -> None:
    cohorts = [GOOD, BAD, GOOD, BAD, BAD, GOOD, BAD, GOOD, GOOD, BAD]
    states = states_of(LOSS, [CohortWindow(minutes(n), cohort) for n, cohort in enumerate(cohorts)])
    assert states == [*["WithinBounds"] * 4, *["Breached"] * 4, *["WithinBounds"] * 2]


def test_while_a_breach_ends_its_signal_keeps_what_breached_and_says_what_ends_it() -> None:
    unit = {
        "drifted_features": ["internet"],
        "features_with_nulls": ["month"],
        "unit_change": "internet is multiplied by 100",
    }
    breach = {"consecutive_breaches": 2, "first_breach": START, "judged_through": SECOND.end, "since": SECOND.end}
    breached = a_status(name="drift", state="Breached", **unit, **breach)
    one = after(DRIFT, drift(STILL, minutes(2)), old=breached)
    assert (one.state, one.since, one.first_breach) == (SignalState.BREACHED, SECOND.end, START)
    assert (one.consecutive_breaches, one.windows_within_bounds) == (2, 1)
    assert one.model_dump(include=set(unit)) == unit
    assert one.message.endswith("Within bounds in 1 of 2 consecutive windows that end the breach.")
    silent = after(DRIFT, DriftWindow(minutes(3), BASELINE, {}, gap="A pod restarted."), old=one)
    assert (silent.state, silent.windows_within_bounds) == (SignalState.NO_DATA, 1)
    two = after(DRIFT, drift(STILL, minutes(4)), old=silent)
    assert (two.state, two.first_breach, two.windows_within_bounds) == (SignalState.WITHIN_BOUNDS, None, 0)
    assert two.model_dump(include=set(unit)) == {"drifted_features": [], "features_with_nulls": [], "unit_change": ""}
    again = after(DRIFT, drift(MOVED, minutes(4)), old=silent)
    assert (again.state, again.drifted_features, again.features_with_nulls) == (SignalState.BREACHED, ["internet"], [])


def test_windows_on_two_sides_of_a_hole_do_not_follow_each_other() -> None:
    two = LOSS.model_copy(update={"consecutive": 2})
    one = after(two, CohortWindow(FIRST, BAD))
    late = Window(START + 5 * MINUTE, START + 6 * MINUTE)
    status = after(two, CohortWindow(late, BAD), old=one, skipped=4)
    assert (status.state, status.consecutive_breaches) == (SignalState.WITHIN_BOUNDS, 1)
    assert status.message.endswith(" 4 older windows were missed and skipped.")
    assert after(two, old=one, skipped=4).consecutive_breaches == 1


def test_an_engine_that_does_not_answer_is_no_data_from_now_on() -> None:
    status = after(DRIFT, unavailable="Prometheus does not answer.", old=a_status(name="drift", since=START))
    assert (status.state, status.since, status.message) == (SignalState.NO_DATA, NOW, "Prometheus does not answer.")


def test_traffic_has_stopped_only_after_it_had_been_there_and_until_it_is_back() -> None:
    assert not after(DRIFT, drift(NOTHING)).traffic_stopped
    assert after(DRIFT, drift(NOTHING), old=a_status(name="drift", samples=1)).traffic_stopped
    there = after(DRIFT, drift(STILL))
    assert not there.traffic_stopped
    gone = after(DRIFT, drift(NOTHING, SECOND), old=there)
    assert (gone.traffic_stopped, gone.samples) == (True, 0)
    third = Window(SECOND.end, SECOND.end + MINUTE)
    assert after(DRIFT, drift(NOTHING, third), old=gone).traffic_stopped
    assert not after(DRIFT, drift(STILL, third), old=gone).traffic_stopped


def test_a_drift_names_what_moved_and_a_gap_why_nothing_is_known() -> None:
    moved = judgement.judged(DRIFT, drift(MOVED), None)
    assert (moved.state, moved.drifted, moved.unit_change) == (SignalState.BREACHED, ("internet",), "")
    status = after(DRIFT, drift(MOVED))
    assert status.feature == "internet"
    assert "internet has an excess PSI of" in status.message
    gap = DriftWindow(FIRST, BASELINE, {}, gap="A pod restarted.")
    assert judgement.judged(DRIFT, gap, None) == judgement.Judged(SignalState.NO_DATA, "A pod restarted.")


ONE_BAD = {
    "judged_through": SECOND.end + MINUTE,
    "consecutive_breaches": 1,
    "first_breach": SECOND.end,
    "since": SECOND.end,
}
"""Two windows within bounds, then one that is not."""


@pytest.mark.parametrize(
    ("fields", "shift", "state"),
    [
        ({"judged_through": SECOND.end}, None, "WithinBounds"),
        ({"judged_through": SECOND.end}, START, "WithinBounds"),
        ({"judged_through": SECOND.end}, START + timedelta(seconds=1), "OutcomesPending"),
        (ONE_BAD, None, "WithinBounds"),
        (ONE_BAD | {"since": SECOND.end + timedelta(seconds=1)}, None, "OutcomesPending"),
        (ONE_BAD, START, "WithinBounds"),
        (ONE_BAD, START + timedelta(seconds=1), "OutcomesPending"),
        ({"judged_through": None}, SECOND.start, "OutcomesPending"),
        ({"judged_through": None}, None, "WithinBounds"),
        ({"state": "Breached", "judged_through": FIRST.end}, SECOND.start, "OutcomesPending"),
        ({"state": "Breached", "judged_through": SECOND.end, "consecutive_breaches": 2}, START, "Breached"),
        (
            {"judged_through": SECOND.end, "consecutive_breaches": 1, "first_breach": SECOND.start},
            None,
            "OutcomesPending",
        ),
        ({"state": "NoData", "judged_through": FIRST.end}, SECOND.start, "NoData"),
    ],
)
def test_only_predictions_since_the_shift_and_confirmed_breaches_count_as_proof(
    fields: dict[str, Any], shift: Any, state: str
) -> None:
    two = LOSS.model_copy(update={"consecutive": 2})
    assert judgement.since_shift(two, a_status(**fields), shift) == state


def test_a_breach_began_with_the_earliest_window_of_a_signal_that_is_breached() -> None:
    late = a_status(state="Breached", first_breach=SECOND.start)
    early = a_status(state="Breached", first_breach=FIRST.start)
    calm = a_status(first_breach=START - MINUTE)
    assert judgement.breach_since([late, early, calm]) == START
    assert judgement.breach_since([calm, a_status(state="Breached")]) is None
    assert judgement.breach_since([late, a_status(state="Breached")]) == SECOND.start


def test_evidence_takes_each_state_from_the_signals_of_its_type() -> None:
    pairs = [
        (
            DRIFT,
            a_status(
                name="drift", state="Breached", first_breach=START, drifted_features=["a"], features_with_nulls=["b"]
            ),
        ),
        (
            DRIFT.model_copy(update={"name": "other"}),
            a_status(name="other", drifted_features=["c"], traffic_stopped=True),
        ),
        (LOSS, a_status(judged_through=NOW, value="0.1000", lower="0.0900", upper="0.1100", samples=500)),
        (RETAINED, a_status(name="retained", state="Breached", value="0.5000", samples=1)),
        (
            DRIFT.model_copy(update={"name": "third"}),
            a_status(name="third", feature="age", value="0.2000", lower="0.1000", upper="0.3000", samples=400),
        ),
    ]
    found = gather_evidence(pairs, ("customers",))
    assert (found.drift, found.performance, found.business) == ("Breached", "WithinBounds", "Breached")
    assert (found.moved, found.null, found.stale_feature_sets) == (("a",), ("b",), ("customers",))
    assert (found.traffic_stopped, found.coverage_down, found.unit_change) == (True, False, "")
    assert found.values["logloss"] == "0.1000 (95 % 0.0900 to 0.1100), breach > 0.55, 500 samples"
    assert found.values["retained"] == "0.5000, breach < 1, 1 samples"
    assert found.values["drift"] == "Breached"
    assert found.values["third"] == "age 0.2000 (95 % 0.1000 to 0.3000), breach > 0.1, 400 samples"
    assert found.values["inputs drifted since"] == "2026-01-05T09:00:00Z"
    assert "inputs drifted since" not in gather_evidence(pairs[1:], ()).values
    undrifted = gather_evidence(pairs[2:4], ())
    assert (undrifted.drift, undrifted.performance, undrifted.business) == (None, "WithinBounds", "Breached")


@pytest.mark.parametrize(
    ("fields", "fell"),
    [
        ({"state": "NoData", "coverage": "0.3", "baseline_coverage": "0.9"}, True),
        ({"state": "NoData", "coverage": "0.9", "baseline_coverage": "0.9"}, False),
        ({"state": "WithinBounds", "coverage": "0.3", "baseline_coverage": "0.9"}, False),
        ({"state": "NoData", "baseline_coverage": "0.9"}, False),
        ({"state": "NoData", "coverage": "0.3"}, False),
    ],
)
def test_coverage_fell_where_it_is_below_the_usual_and_nothing_is_known(fields: dict[str, Any], fell: bool) -> None:
    pairs = [(LOSS, a_status(**fields)), (DRIFT, a_status(name="drift"))]
    assert gather_evidence(pairs, ()).coverage_down is fell


@pytest.mark.parametrize(
    ("windows", "seconds"), [(("60s", "60s"), 5), (("60s", "10m"), 5), (("12s", "60s"), 2), (("24h", "24h"), 60)]
)
def test_a_monitor_looks_twelve_times_in_its_narrowest_window_between_two_seconds_and_a_minute(
    windows: tuple[str, str], seconds: int
) -> None:
    signals = [s.model_copy(update={"window": w}).model_dump() for s, w in zip((DRIFT, LOSS), windows, strict=True)]
    observed = MonitorObservation(deployment=a_deployment("1", START))
    decided = plan(a_monitor(signals=signals), observed, START)
    assert decided.requeue_after == timedelta(seconds=seconds)
    assert plan(a_monitor(signals=signals), MonitorObservation(), START).requeue_after == timedelta(seconds=10)


@pytest.mark.parametrize(
    ("counted", "available", "seconds"), [(None, 0, 2), ((MINUTE, 9), 0, 2), ((timedelta(), 9), 9, 5)]
)
def test_labels_count_only_for_the_present_breach_and_are_asked_for_at_once(
    counted: tuple[timedelta, int] | None, available: int, seconds: int
) -> None:
    breached = {"name": "drift", "state": "Breached", "version": "1", "judged_through": NOW, "first_breach": START}
    monitor: Monitor = a_monitor(**retrain(), status={"signals": [breached]})
    labels = LabelCount(START + counted[0], LabelGain(rows=counted[1])) if counted else None
    decided = plan(monitor, MonitorObservation(deployment=a_deployment("1", START), labels=labels), NOW)
    assert decided.status.labels is not None
    assert (decided.status.labels.available, decided.status.labels.required) == (available, 1000)
    assert (decided.status.breached, decided.status.breach_since) == ("drift", START)
    assert decided.requeue_after == timedelta(seconds=seconds)
    unneeded = plan(
        a_monitor(**retrain(requires={"new_labels": 0}), status={"signals": [breached]}),
        MonitorObservation(deployment=a_deployment("1", START)),
        NOW,
    )
    assert unneeded.status.labels is None
    single: Monitor = a_monitor(**retrain(requires={"new_labels": 1}), status={"signals": [breached]})
    assert plan(single, MonitorObservation(deployment=a_deployment("1", START)), NOW).status.labels is not None


def test_a_decision_has_the_next_number_and_the_next_eligible_time_only_while_it_is_ahead() -> None:
    world = shifted().live(9 * MINUTE)
    assert world.status.decisions == len(world.history)
    assert world.status.next_eligible_time == world.status.retraining.time + 15 * MINUTE
    world.live(30 * MINUTE)
    assert world.status.next_eligible_time is None
