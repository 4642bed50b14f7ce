"""Which features a drift signal judges, and whose figures it shows."""

import pytest

from homeostat.api.v1alpha1.monitor import FeatureSelection
from homeostat.enums import SignalState
from homeostat.signals import FeatureKind, fit
from homeostat_operators.monitor import judgement
from homeostat_operators.monitor.observed import DriftWindow
from unit.operators.monitor.judging import DRIFT, FIRST, SECOND, after
from unit.operators.monitor.world import STILL

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
