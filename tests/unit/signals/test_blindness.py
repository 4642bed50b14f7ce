"""What a training can say of drift before there is any: features that a signal will not see, or see only badly."""

import pytest
from scipy import stats

from homeostat.signals import blindness as blind
from homeostat.signals.binning import fit
from homeostat.signals.blindness import LARGE, blindness, least_detectable
from homeostat.signals.histogram import FeatureBaseline, FeatureKind

NUMERIC, CATEGORICAL = FeatureKind.NUMERIC, FeatureKind.CATEGORICAL


def baseline(values: list[object], kind: FeatureKind) -> FeatureBaseline:
    return fit({"x": values}, {"x": kind}).features[0]


@pytest.mark.parametrize(
    ("values", "kind", "reason"),
    [
        ([n % 5 for n in range(1000)], NUMERIC, ""),
        (["a", "b"] * 500, CATEGORICAL, ""),
        ([f"c{n % 300}" for n in range(5000)], CATEGORICAL, ""),
        ([0.0] * 900 + [float(n) for n in range(100)], NUMERIC, ""),
        ([3.0] * 1000, NUMERIC, "it has one value in training: only the share of other values is judged"),
        (["a"] * 1000, CATEGORICAL, "it has one value in training: only the share of other values is judged"),
        ([f"id{n}" for n in range(1000)], CATEGORICAL, "100% of new rows are expected to have a value that is new"),
        ([None] * 10, NUMERIC, "it has no values in training"),
    ],
)
def test_a_feature_is_blind_for_a_reason_that_its_training_shows(
    values: list[object], kind: FeatureKind, reason: str
) -> None:
    assert blindness(baseline(values, kind), 1) == reason


def test_too_few_values_tell_only_a_large_drift_from_chance() -> None:
    few = baseline([float(n) for n in range(60)], NUMERIC)
    bins = len(few.counts)
    least = stats.chi2.isf(0.05 / 20, bins - 1) / 60 - (bins - 1) / 60
    assert least_detectable(few, 20) == pytest.approx(least)
    assert least > LARGE
    assert blindness(few, 20) == f"60 values in training tell no drift below an excess PSI of {least:.2f} from chance"
    assert blindness(baseline([float(n) for n in range(600)], NUMERIC), 20) == ""


def test_a_share_of_new_values_that_can_still_rise_by_the_tolerance_is_judged() -> None:
    few = baseline(["a", "b"] * 500, CATEGORICAL)
    assert blindness(few.model_copy(update={"unseen_share": 0.95}), 1) == ""
    assert blindness(few.model_copy(update={"unseen_share": 0.951}), 1) == (
        "95% of new rows are expected to have a value that is new"
    )
    assert blindness(few.model_copy(update={"unseen_share": None}), 1) == ""


def test_a_drift_that_is_just_large_may_be_the_smallest_that_is_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    few = baseline([float(n) for n in range(60)], NUMERIC)
    monkeypatch.setattr(blind, "LARGE", least_detectable(few, 20))
    assert blindness(few, 20) == ""
