"""Drift through the bins: training values in, served values in, and what the signal says."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest

from homeostat.enums import SignalState
from homeostat.signals import FeatureKind, bin_labels, feature_drift, fit, judge
from homeostat.signals.drift import DriftEstimate
from homeostat.signals.histogram import FeatureBaseline, count
from homeostat.signals.windows import parts_of

RNG = np.random.default_rng(12)
CATEGORIES = [f"c{n:04d}" for n in range(2000)]


def judged(kind: FeatureKind, trained: Sequence[object], served: Sequence[object]) -> DriftEstimate:
    """The verdict on served values that arrive in random order over twelve parts."""
    feature = fit({"x": trained}, {"x": kind}).features[0]
    return judge([feature_drift(feature, [window(feature, served[part::12]) for part in range(12)])], 0.1, 200)


def window(feature: FeatureBaseline, values: Sequence[object]) -> dict[str, float]:
    return dict(zip(bin_labels(feature), map(float, count(feature, list(values))), strict=True))


def zero_inflated() -> list[float]:
    return [0.0] * 4500 + list(map(float, range(1, 101))) * 5


@pytest.mark.parametrize(
    "served",
    [[50.0] * 1200, [0.0] * 1200, [0.0] * 900 + [50.0] * 300, [*([0.0] * 108 + [90.0] * 12) * 10]],
    ids=["all fifty", "only zeros", "fewer zeros", "only the upper part of what is no zero"],
)
def test_a_feature_of_ninety_percent_zeros_is_not_blind(served: list[float]) -> None:
    estimate = judged(FeatureKind.NUMERIC, zero_inflated(), RNG.permutation(served).tolist())
    assert (estimate.state, estimate.moved) == (SignalState.BREACHED, ("x",))


@pytest.mark.parametrize(("trained", "served"), [([7.0], [8.0]), ([7.0], [6.0]), ([0.0, 1.0], [0.5])])
def test_values_that_a_feature_of_one_or_two_values_never_had_are_a_breach(
    trained: list[float], served: list[float]
) -> None:
    estimate = judged(FeatureKind.NUMERIC, trained * 2500, served * 1200)
    assert (estimate.state, estimate.unseen) == (SignalState.BREACHED, ("x",))


@pytest.mark.parametrize(("categories", "new"), [(50, 0.56), (2000, 1.0), (2000, 0.5)])
def test_categories_that_training_has_never_seen_are_a_breach(categories: int, new: float) -> None:
    trained = RNG.choice(CATEGORIES[:categories], 5000).tolist()
    served = [f"new-{n}" if n % 100 < 100 * new else CATEGORIES[n % categories] for n in RNG.permutation(1200)]
    estimate = judged(FeatureKind.CATEGORICAL, trained, served)
    assert (estimate.state, estimate.unseen) == (SignalState.BREACHED, ("x",))


@pytest.mark.parametrize("categories", [50, 500, 2000])
def test_many_categories_from_which_training_saw_a_sample_are_calm(categories: int) -> None:
    trained, served = (RNG.choice(CATEGORIES[:categories], rows).tolist() for rows in (5000, 1200))
    assert judged(FeatureKind.CATEGORICAL, trained, served).state is SignalState.WITHIN_BOUNDS


def test_a_rare_category_that_becomes_frequent_is_seen_although_it_has_no_bin_of_its_own() -> None:
    trained = RNG.choice(CATEGORIES, 20_000).tolist()
    served = RNG.choice(CATEGORIES, 900).tolist() + CATEGORIES[1:2] * 300
    assert judged(FeatureKind.CATEGORICAL, trained, RNG.permutation(served).tolist()).moved == ("x",)


def test_a_feature_whose_values_are_all_different_cannot_be_judged_and_the_sentence_says_so() -> None:
    trained, served = ([f"{name}{n}" for n in range(rows)] for name, rows in (("a", 5000), ("b", 1200)))
    estimate = judged(FeatureKind.CATEGORICAL, trained, served)
    assert estimate.state is SignalState.NO_DATA
    assert [(one.feature, one.effective_samples) for one in estimate.unjudged] == [("x", 0.0)]
    assert estimate.sentence == (
        "1 of 1 features cannot be judged: x, because the effective sample of values that training has seen is 0, below "
        "minSamples of 200."
    )


def test_hours_of_the_day_are_judged_over_a_week_by_whole_days() -> None:
    rng, day = np.random.default_rng(1), 86_400.0
    hours = np.arange(24.0)
    feature = fit({"x": np.tile(hours, 200).tolist()}, {"x": FeatureKind.NUMERIC}).features[0]
    when = np.sort(rng.uniform(0, 7 * day, 6000))
    values = np.floor(when % day / 3600)

    def drift(parts: int) -> float:
        edges = np.linspace(0, 7 * day, parts + 1)
        pieces = [values[(when > a) & (when <= b)].tolist() for a, b in pairwise(edges)]
        return feature_drift(feature, [window(feature, piece) for piece in pieces]).effective_samples

    assert drift(parts_of(7 * day)) > 4000
    assert drift(12) < 200
