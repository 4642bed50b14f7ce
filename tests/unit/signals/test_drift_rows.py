"""Sentences of docs/signals.md about drift, each held to an arithmetic of its own."""

import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from homeostat.enums import SignalState
from homeostat.signals.clustering import clustering
from homeostat.signals.drift import SpecialShare, feature_drift, judge
from homeostat.signals.histogram import NULL, FeatureBaseline, FeatureKind, SpecialCounts

PARTS = np.random.default_rng(7).multinomial(100, [0.2, 0.3, 0.5], size=12)
Counts = NDArray[np.int64]
TRAINED = (200, 300, 500)


def a_feature(name: str = "x", counts: tuple[int, ...] = TRAINED, null: int = 0) -> FeatureBaseline:
    return FeatureBaseline(
        name=name, kind=FeatureKind.CATEGORICAL, categories=tuple("abc"[: len(counts)]), counts=counts,
        special=SpecialCounts(null=null), n=sum(counts) + null,
    )  # fmt: skip


def windows(parts: Counts) -> list[dict[str, float]]:
    return [dict(zip("abc", map(float, row), strict=False)) for row in parts]


def clustered() -> Counts:
    """Parts of which every second one has another mix, as batches of customers do."""
    odd = np.array([[10, 30, 60], [30, 30, 40]])
    return np.tile(odd, (6, 1))


def test_psi_is_summed_over_shares_with_half_a_count_added_to_each_bin() -> None:
    drift = feature_drift(a_feature(), windows(PARTS))
    before, after = np.array(TRAINED), PARTS.sum(axis=0)
    q = (before + 0.5) / (before.sum() + 1.5)
    r = (after + 0.5) / (after.sum() + 1.5)
    assert drift.psi == pytest.approx(float(np.sum((r - q) * np.log(r / q))))


def test_excess_is_what_remains_after_the_mean_of_the_noise() -> None:
    parts = clustered()
    drift = feature_drift(a_feature(), windows(parts))
    effect = clustering(parts.astype(float)).effect
    assert effect > 1
    assert drift.excess == pytest.approx(drift.psi - 2 * (1 / 1000 + effect / parts.sum()))
    assert drift.effective_samples == pytest.approx(parts.sum() / effect)


def test_with_equally_full_parts_the_design_effect_is_chi_squared_over_its_freedom() -> None:
    parts = clustered()
    chi2 = stats.chi2_contingency(parts).statistic
    assert clustering(parts.astype(float)).effect == pytest.approx(chi2 / (11 * 2))


def test_the_parts_of_an_equally_full_window_are_eleven_degrees_of_freedom() -> None:
    assert clustering(clustered().astype(float)).groups == pytest.approx(11)


def test_the_p_value_is_taken_from_f_and_not_from_chi_squared() -> None:
    parts = clustered()
    cluster = clustering(parts.astype(float))
    drift = feature_drift(a_feature(counts=(250, 300, 450)), windows(parts))
    ratio = drift.psi / (2 * (1 / 1000 + cluster.effect / parts.sum()))
    assert drift.p_value == pytest.approx(float(stats.f.sf(ratio, cluster.rank, 11 * cluster.rank)))
    assert drift.p_value != pytest.approx(float(stats.chi2.sf(2 * ratio, 2)), rel=0.01)


@pytest.mark.parametrize("features", [1, 4, 20])
def test_a_feature_breaches_by_a_p_value_below_five_percent_over_the_number_of_features(features: int) -> None:
    drift = feature_drift(a_feature(), windows(PARTS))
    for p_value, state in ((0.049 / features, SignalState.BREACHED), (0.051 / features, SignalState.WITHIN_BOUNDS)):
        moved = replace(drift, excess=0.2, p_value=p_value)
        still = [replace(drift, feature=f"f{n}", excess=0.0, p_value=1.0) for n in range(features - 1)]
        assert judge([moved, *still], 0.1, 1).state is state


def test_a_feature_breaches_by_an_excess_above_the_threshold_and_not_at_it() -> None:
    drift = feature_drift(a_feature(), windows(PARTS))
    assert judge([replace(drift, excess=0.1, p_value=0.0)], 0.1, 1).state is SignalState.WITHIN_BOUNDS
    assert judge([replace(drift, excess=0.1001, p_value=0.0)], 0.1, 1).state is SignalState.BREACHED


@pytest.mark.parametrize(("share", "breached"), [(0.14, False), (0.149, False), (0.153, True)])
def test_a_special_share_breaches_by_more_than_five_percentage_points(share: float, breached: bool) -> None:
    baseline = a_feature(counts=(9_000_000,), null=1_000_000)
    rows = 10_000_000
    window = [{"a": rows * (1 - share) / 12, NULL: rows * share / 12}] * 12
    estimate = judge([feature_drift(baseline, window)], 0.1, 200)
    assert estimate.null == (("x",) if breached else ())


@pytest.mark.parametrize(("z", "alpha"), [(1.6448536269514722, 0.05), (2.3263478740408408, 0.01)])
def test_the_lower_bound_of_a_rise_is_newcombes_tenth_method(z: float, alpha: float) -> None:
    def wilson(share: float, n: int) -> tuple[float, float]:
        centre, scale = share + z * z / (2 * n), 1 + z * z / n
        half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
        return (centre - half) / scale, (centre + half) / scale

    rise = SpecialShare("__null__", 0.3, 0.1, 200, 1000, 0).rise(alpha)
    expected = 0.2 - math.hypot(0.3 - wilson(0.3, 200)[0], wilson(0.1, 1000)[1] - 0.1)
    assert rise == pytest.approx(expected)


def test_bonferronis_correction_of_special_shares_is_over_features_and_labels() -> None:
    """The rise of the share is beyond five points at the level of one feature, not at that of fifty."""
    baseline = a_feature(counts=(9_000,), null=1_000)
    share = 0.187
    window = [{"a": 1000 * (1 - share) / 12, NULL: 1000 * share / 12}] * 12
    drift = feature_drift(baseline, window)
    still = [feature_drift(a_feature(f"f{n}"), windows(PARTS)) for n in range(49)]
    assert judge([drift], 0.1, 1).null == ("x",)
    assert judge([drift, *still], 0.1, 1).null == ()
