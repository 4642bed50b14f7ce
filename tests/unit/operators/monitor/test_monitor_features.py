"""Which features a drift signal judges, and whose figures it shows."""

from datetime import timedelta

import pytest

from homeostat.api.v1alpha1.signals import FeatureSelection, SignalStatus
from homeostat.enums import SignalState
from homeostat.reconcile.conditions import get
from homeostat.signals import FeatureKind, Window, fit
from homeostat.signals.windows import split
from homeostat.testing.builders import a_monitor
from homeostat_operators.monitor import judgement
from homeostat_operators.monitor.conditions import conditions_of
from homeostat_operators.monitor.diagnosis import gather_evidence
from homeostat_operators.monitor.observed import DriftWindow, MonitorObservation
from unit.operators.monitor.judging import DRIFT, FIRST, SECOND, after
from unit.operators.monitor.world import BASELINE, MOVED, STILL

TWO = fit(
    {name: ["dsl", "none"] * 2000 for name in ("internet", "month")},
    dict.fromkeys(("internet", "month"), FeatureKind.CATEGORICAL),
)


def of_two(**features: list[str]) -> judgement.Judged:
    """A window in which only `month` moved."""
    signal = DRIFT.model_copy(update={"features": FeatureSelection(**features) if features else None})
    counts = {"internet": [STILL] * 12, "month": [{"dsl": 50.0, "none": 5.0}] * 12}
    return judgement.judged(signal, DriftWindow(FIRST, TWO, counts), None)


@pytest.mark.parametrize(
    ("features", "state", "drifted"),
    [
        ({}, SignalState.BREACHED, ("month",)),
        ({"include": ["month"]}, SignalState.BREACHED, ("month",)),
        ({"include": ["internet"]}, SignalState.WITHIN_BOUNDS, ()),
        ({"exclude": ["month"]}, SignalState.WITHIN_BOUNDS, ()),
        ({"exclude": ["month", "internet"]}, SignalState.NO_DATA, ()),
    ],
)
def test_a_drift_signal_judges_the_features_that_it_selects(
    features: dict[str, list[str]], state: SignalState, drifted: tuple[str, ...]
) -> None:
    verdict = of_two(**features)
    assert (verdict.state, verdict.drifted) == (state, drifted)


@pytest.mark.parametrize("form", ["include", "exclude"])
def test_a_selected_feature_that_the_served_version_does_not_have_is_named(form: str) -> None:
    verdict = of_two(**{form: ["internet", "mouth"]})
    assert verdict.sentence.endswith(f" features.{form} names mouth, which the served version does not have.")


def test_features_that_cannot_be_judged_are_in_status_with_reason_and_effective_sample() -> None:
    few = {"internet": [STILL] * 12, "month": [{"dsl": 1.0, "none": 1.0}] * 12}
    status = after(DRIFT, DriftWindow(FIRST, TWO, few))
    assert status.state is SignalState.WITHIN_BOUNDS
    assert [one.model_dump() for one in status.unjudged_features] == [
        {"feature": "month", "reason": "its effective sample is 24, below minSamples of 200", "effective_samples": 24}
    ]
    assert "1 of 2 features cannot be judged: month, because its effective sample is 24" in status.message
    again = after(DRIFT, DriftWindow(SECOND, TWO, {name: [STILL] * 12 for name in few}), old=status)
    assert (again.unjudged_features, "cannot be judged" in again.message) == ([], False)


def test_the_most_frequent_new_values_of_what_drifted_by_them_are_named() -> None:
    counts = {"internet": [{"dsl": 20.0, "none": 20.0, "__unseen__": 20.0}] * 12, "month": [STILL] * 12}
    new = {"internet": {"fibre": 200.0, "cable": 30.0, "5g": 5.0, "lte": 4.0}, "month": {"may": 1.0}}
    verdict = judgement.judged(DRIFT, DriftWindow(FIRST, TWO, counts, new_values=new), None)
    assert verdict.sentence.endswith(" New values of internet: 'fibre' (27.8%), 'cable' (4.2%), '5g' (0.7%).")
    calm = judgement.judged(
        DRIFT, DriftWindow(FIRST, TWO, {name: [STILL] * 12 for name in counts}, new_values=new), None
    )
    assert "New values" not in calm.sentence


def test_a_feature_whose_training_has_one_value_is_not_called_calm() -> None:
    one = {"internet": ["dsl", "none"] * 2000, "month": ["dsl"] * 4000}
    baseline = fit(one, dict.fromkeys(one, FeatureKind.CATEGORICAL))
    counts = {"internet": [STILL] * 12, "month": [{"dsl": 60.0}] * 12}
    status = after(DRIFT, DriftWindow(FIRST, baseline, counts))
    assert status.state is SignalState.WITHIN_BOUNDS
    assert [(each.feature, each.reason) for each in status.unjudged_features] == [
        ("month", "it has one value in training: only the share of other values is judged")
    ]
    other = {**counts, "month": [{"dsl": 30.0, "__unseen__": 30.0}] * 12}
    moved = after(DRIFT, DriftWindow(SECOND, baseline, other), old=status)
    assert (moved.unjudged_features, moved.feature) == ([], "month")


def breached_condition(*names: str, said: str, breached: str = "", state: str = "WithinBounds") -> str:
    features = [{"feature": name, "reason": "it is new"} for name in names]
    signal = {"name": "drift", "state": state, "version": "1", "unjudged_features": features}
    decision = {
        "id": "1", "cause": "None", "action": "None", "reason": "WithinBounds", "message": said, "time": FIRST.end,
    }  # fmt: skip
    monitor = a_monitor(status={"signals": [signal], "last_decision": decision, "breached": breached})
    found = get(conditions_of(monitor, monitor.status, MonitorObservation(), FIRST.end), "Breached")
    assert found is not None
    return found.message


def test_a_calm_names_the_features_that_the_newest_windows_leave_open() -> None:
    calm, gap = "No signal is in breach.", "Not judged for drift: month."
    assert breached_condition(said=calm) == f"Decision 1: {calm}"
    assert breached_condition("month", said=calm) == f"Decision 1: {calm} {gap}"
    assert breached_condition("month", said=f"{calm} {gap}") == f"Decision 1: {calm} {gap}"
    assert breached_condition("month", said=calm, breached="drift") == f"Decision 1: {calm}"
    assert breached_condition("month", said=calm, state="NoData") == f"Decision 1: {calm}"


@pytest.mark.parametrize("internet", [STILL, MOVED], ids=["calm", "drifted"])
def test_a_decision_names_the_features_that_are_not_judged(internet: dict[str, float]) -> None:
    at_once = DRIFT.model_copy(update={"consecutive": 1})
    status = after(at_once, DriftWindow(FIRST, TWO, {"internet": [internet] * 12, "month": [{"dsl": 1.0}] * 12}))
    evidence = gather_evidence([(at_once, status)], ())
    assert evidence.unjudged == ("month",)


def test_of_many_features_that_drifted_by_new_values_three_are_named() -> None:
    names = [f"f{number}" for number in range(4)]
    baseline = fit({name: ["dsl", "none"] * 2000 for name in names}, dict.fromkeys(names, FeatureKind.CATEGORICAL))
    new = {name: {"fibre": 200.0} for name in names}
    verdict = judgement.judged(
        DRIFT, DriftWindow(FIRST, baseline, {name: [MOVED] * 12 for name in names}, new_values=new), None
    )
    assert verdict.sentence.count("New values of ") == 3


def test_as_many_unjudged_features_and_words_as_a_status_holds_are_in_it() -> None:
    names = [f"{number:02}{'x' * 254}" for number in range(40)]
    baseline = fit({name: ["dsl", "none"] * 2000 for name in names}, dict.fromkeys(names, FeatureKind.CATEGORICAL))
    counts = {name: [STILL if name == names[0] else {"dsl": 1.0}] * 12 for name in names}
    status = SignalStatus.model_validate(after(DRIFT, DriftWindow(FIRST, baseline, counts)).model_dump(mode="json"))
    assert [one.feature for one in status.unjudged_features] == names[1:33]


def by_day_and_night(width: timedelta) -> judgement.Judged:
    """A feature that is one thing by day and another by night, as in training, and never drifts."""
    window = Window(FIRST.start, FIRST.start + width)
    parts = split(0.0, width.total_seconds())

    def share_of_day(start: float, end: float) -> float:
        hours = [hour % 24 for hour in range(int(start // 3600), int(end // 3600))]
        return sum(6 <= hour < 18 for hour in hours) / len(hours)

    counts = [{"dsl": 600 * share_of_day(*part), "none": 600 * (1 - share_of_day(*part))} for part in parts]
    return judgement.judged(DRIFT, DriftWindow(window, BASELINE, {"internet": counts}), None)


@pytest.mark.parametrize("hours", [24, 48, 72])
def test_a_feature_that_follows_the_time_of_day_asks_for_whole_days_in_a_window_of_fewer_than_four(hours: int) -> None:
    verdict = by_day_and_night(timedelta(hours=hours))
    assert verdict.state is SignalState.NO_DATA
    (one,) = verdict.unjudged
    assert one.reason.endswith("different times of day: give it a window of whole days, at least four (96h)")
    assert len(one.reason) <= 256
    assert verdict.sentence.endswith("give it a window of whole days, at least four (96h).")


def test_in_a_window_of_four_days_it_is_within_bounds() -> None:
    assert by_day_and_night(timedelta(hours=96)).state is SignalState.WITHIN_BOUNDS


def test_a_feature_with_too_few_rows_is_not_sent_to_another_window() -> None:
    window = Window(FIRST.start, FIRST.start + timedelta(days=1))
    verdict = judgement.judged(
        DRIFT, DriftWindow(window, BASELINE, {"internet": [{"dsl": 1.0, "none": 1.0}] * 12}), None
    )
    assert [one.reason for one in verdict.unjudged] == ["its effective sample is 24, below minSamples of 200"]
