"""Numbers of drift, each computed a second time with plain loops or SciPy, and every way in which a window is judged."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from homeostat.enums import SignalState
from homeostat.signals.clustering import Clustering, clustering
from homeostat.signals.drift import (
    FeatureDrift,
    SpecialShare,
    counter_increase,
    feature_drift,
    judge,
    sub_window_counts,
)
from homeostat.signals.histogram import ABOVE, BELOW, NULL, UNSEEN, FeatureBaseline, FeatureKind, SpecialCounts

UNEVEN: list[list[float]] = [[30.0, 20, 10], [10, 20, 30], [5, 25, 70], [4, 1, 1], [1, 0, 0]]
TWO_EQUAL = [[30.0, 20, 10], [10, 20, 30]]
THREE_EQUAL = [[30.0, 20, 10], [10, 20, 30], [20, 30, 10]]
TWO_AND_A_BIT = [[30.0, 20, 10], [10, 20, 30], [8, 2, 6]]
Z = stats.norm.ppf(0.975)


def a_feature(counts: tuple[int, ...], **special: int) -> FeatureBaseline:
    return FeatureBaseline(
        name="x", kind=FeatureKind.CATEGORICAL, categories=tuple("abc"[: len(counts)]), counts=counts,
        special=SpecialCounts(**special), n=sum(counts) + sum(special.values()),
    )  # fmt: skip


def windows(parts: list[list[float]]) -> list[dict[str, float]]:
    return [dict(zip("abc", row, strict=False)) for row in parts]


def by_loops(parts: list[list[float]]) -> Clustering:
    """Design effect, rank and groups from the definitions in docs/signals.md, one number at a time."""
    total = sum(map(sum, parts))
    bins = range(len(parts[0]))
    pooled = [sum(part[b] for part in parts) / total for b in bins]
    weights = [sum(part) / total for part in parts]

    def moment(b: int, c: int) -> float:
        """Covariance of two bins between parts, in units of independent rows."""
        sums = 0.0
        for part, weight in zip(parts, weights, strict=True):
            rows = sum(part)
            sums += weight * (part[b] - rows * pooled[b]) * (part[c] - rows * pooled[c]) / rows
        return sums / math.sqrt(pooled[b] * pooled[c]) / sum(w * (1 - w) for w in weights)

    covariance = [[moment(b, c) for c in bins] for b in bins]
    trace = sum(covariance[b][b] for b in bins)
    squares = sum(value**2 for row in covariance for value in row)
    groups = 1 / sum(w**2 for w in weights) - 1
    if groups > 1:
        squares = (squares - trace**2 / groups) * groups**2 / ((groups - 1) * (groups + 2))
    freedom = len(parts[0]) - 1
    rank = min(freedom, trace**2 / squares) if squares > 0 else freedom
    return Clustering(max(1.0, trace / freedom), rank, groups)


@pytest.mark.parametrize("parts", [UNEVEN, TWO_EQUAL, THREE_EQUAL, TWO_AND_A_BIT])
def test_effect_rank_and_groups_of_parts_of_any_size_are_those_of_their_definitions(parts: list[list[float]]) -> None:
    seen, known = clustering(np.array(parts)), by_loops(parts)
    assert (seen.effect, seen.rank, seen.groups) == pytest.approx((known.effect, known.rank, known.groups))


def test_empty_parts_and_bins_that_nobody_used_change_nothing() -> None:
    padded = [[*row, 0.0] for row in UNEVEN] + [[0.0, 0, 0, 0]]
    seen, known = clustering(np.array(padded)), by_loops(UNEVEN)
    assert (seen.effect, seen.rank, seen.groups) == pytest.approx((known.effect, known.rank, known.groups))


@pytest.mark.parametrize(
    ("parts", "known"),
    [
        ([[3.0, 2, 1]], Clustering(1.0, 2.0, 0.0)),
        ([[3.0], [4.0]], Clustering(1.0, 1.0, 0.0)),
        ([[0.0, 0.0]], Clustering(1.0, 1.0, 0.0)),
        ([[3.0, 2, 1], [0.0, 0, 0]], Clustering(1.0, 2.0, 0.0)),
    ],
)
def test_one_part_or_one_bin_says_nothing_about_batches(parts: list[list[float]], known: Clustering) -> None:
    assert clustering(np.array(parts)) == known


def test_parts_of_the_same_mix_are_no_batches_and_differ_in_no_direction_more_than_in_another() -> None:
    assert clustering(np.array([[4.0, 4, 8]] * 4)) == Clustering(1.0, 2.0, 3.0)


def test_batches_of_two_segments_differ_in_one_direction() -> None:
    """The bias correction of tr(S^2) leaves (g + 2) / g of the one direction."""
    assert clustering(np.array([[30.0, 20, 10], [10, 20, 30]] * 6)).rank == pytest.approx(13 / 11)
    assert clustering(np.array([[21.0, 20, 19], [19, 20, 21]] * 6)).rank == pytest.approx(13 / 11)


@pytest.mark.parametrize(
    ("trained", "parts"),
    [
        ((20, 30, 50), UNEVEN),
        ((20, 30, 50), TWO_EQUAL),
        ((20, 30, 50), [[9.0, 3, 4]]),
        ((50, 60, 50), [[50.0, 60, 50]]),  # no excess at all
        ((1, 0, 0), [[1.0, 0, 0]]),  # a single row each
        ((20, 30), [[9.0, 3]]),
    ],
)
def test_index_excess_bounds_and_p_value_are_those_of_their_formulas(
    trained: tuple[int, ...], parts: list[list[float]]
) -> None:
    drift = feature_drift(a_feature(trained), windows(parts))
    cluster = clustering(np.array(parts))
    rows, bins = sum(map(sum, parts)), len(trained)
    psi = 0.0
    for b in range(bins):
        q = (trained[b] + 0.5) / (sum(trained) + 0.5 * bins)
        r = (sum(part[b] for part in parts) + 0.5) / (rows + 0.5 * bins)
        psi += (r - q) * math.log(r / q)
    mean = (bins - 1) * (1 / sum(trained) + cluster.effect / rows)
    scale = mean / cluster.rank
    deviation = scale * math.sqrt(2 * (cluster.rank + 2 * max(psi - mean, 0) / scale))
    p_value = (
        stats.f.sf(psi / mean, cluster.rank, cluster.groups * cluster.rank)
        if cluster.groups
        else stats.chi2.sf(psi / mean * (bins - 1), bins - 1)
    )
    assert (drift.psi, drift.excess, drift.p_value) == pytest.approx((psi, psi - mean, p_value))
    assert (drift.lower, drift.upper) == pytest.approx((psi - mean - Z * deviation, psi - mean + Z * deviation))
    assert (drift.samples, drift.design_effect) == pytest.approx((rows, cluster.effect))
    assert drift.effective_samples == pytest.approx(rows / cluster.effect)


@pytest.mark.parametrize(
    ("trained", "parts"), [((20, 30), []), ((20, 30), [[0.0, 0]]), ((0, 0), [[9.0, 3]]), ((20,), [[9.0], [3.0]])]
)
def test_without_rows_or_a_second_bin_there_is_no_drift_to_see(
    trained: tuple[int, ...], parts: list[list[float]]
) -> None:
    drift = feature_drift(a_feature(trained), windows(parts))
    assert (drift.psi, drift.excess, drift.lower, drift.upper, drift.p_value) == (0, 0, 0, 0, 1)
    assert drift.samples == sum(map(sum, parts))


def test_each_special_share_has_a_design_effect_of_its_own() -> None:
    trained = a_feature((40, 40), null=10, below=5, above=4, unseen=1)
    parts = [{"a": 10.0, NULL: 6.0, BELOW: 4.0}, {"b": 12.0, NULL: 1.0, ABOVE: 2.0, UNSEEN: 5.0}, {"a": 7.0, NULL: 3.0}]
    rows = [sum(part.values()) for part in parts]
    seen = {share.label: share for share in feature_drift(trained, parts).specials}
    assert list(seen) == [NULL, BELOW, ABOVE, UNSEEN]
    for label, before in ((NULL, 0.1), (BELOW, 0.05), (ABOVE, 0.04), (UNSEEN, 0.01)):
        column = [part.get(label, 0.0) for part in parts]
        cluster = by_loops([[there, all_of_them - there] for there, all_of_them in zip(column, rows, strict=True)])
        known = (sum(column) / 50, before, 50 / cluster.effect, 100, cluster.groups)
        share = seen[label]
        assert (
            share.share, share.baseline, share.effective_samples, share.baseline_samples, share.groups
        ) == pytest.approx(known)  # fmt: skip


def test_special_shares_without_any_rows_are_none() -> None:
    shares = feature_drift(a_feature((0, 0)), []).specials
    assert [(share.share, share.baseline, share.effective_samples) for share in shares] == [(0.0, 0.0, 0.0)] * 4


@pytest.mark.parametrize("groups", [0.5, 1.0, 11.0])
def test_a_rise_seen_in_few_parts_is_bounded_by_students_quantile(groups: float) -> None:
    z = stats.t.ppf(0.95, groups)

    def wilson(share: float, n: float) -> tuple[float, float]:
        centre, scale = share + z * z / (2 * n), 1 + z * z / n
        half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
        return (centre - half) / scale, (centre + half) / scale

    rise = SpecialShare(NULL, 0.3, 0.1, 200, 1000, groups).rise(0.05)
    assert rise == pytest.approx(0.2 - math.hypot(0.3 - wilson(0.3, 200)[0], wilson(0.1, 1000)[1] - 0.1))


def test_a_counter_that_stands_still_did_not_restart() -> None:
    assert counter_increase([(0, 5), (12, 5), (15, 5), (20, 6)], 10, 20) == 1


def test_a_window_has_twelve_parts_unless_asked_otherwise() -> None:
    assert sub_window_counts([("a", [(0.0, 0.0), (6.0, 2.0), (11.5, 5.0)])], 0, 12) == [
        {"a": {5: 2.0, 11: 3.0}.get(part, 0.0)} for part in range(12)
    ]


CALM = FeatureDrift(
    feature="calm", psi=0.02, excess=0.01, lower=-0.01, upper=0.03, p_value=0.5, design_effect=1.5, samples=450,
    effective_samples=300, specials=(),
)  # fmt: skip
MOVED = replace(CALM, feature="moved", excess=0.5, lower=0.4, upper=0.6, p_value=0.001)
MORE = replace(MOVED, feature="more", excess=0.7, lower=0.6, upper=0.8)


def raised(label: str, feature: str = "raised") -> FeatureDrift:
    return replace(CALM, feature=feature, excess=0.0, specials=(SpecialShare(label, 0.5, 0.1, 300, 1000, 0),))


def test_calm_features_are_reported_by_the_one_that_moved_most() -> None:
    seen = judge([replace(CALM, feature="still", excess=0.0), CALM], 0.1, 200)
    assert (seen.state, seen.feature, seen.moved) == (SignalState.WITHIN_BOUNDS, "calm", ())
    assert (seen.value, seen.lower, seen.upper, seen.samples) == (0.01, -0.01, 0.03, 300)
    assert seen.sentence == (
        "no feature drifted: calm has an excess PSI of 0.010 (95 % -0.010 to 0.030) against 0.1, p = 0.5."
    )


def test_moved_features_are_listed_worst_first() -> None:
    one, both = judge([CALM, MOVED], 0.1, 200), judge([MOVED, CALM, MORE], 0.1, 200)
    assert (both.state, both.feature, both.moved) == (SignalState.BREACHED, "more", ("more", "moved"))
    assert one.sentence == "moved has an excess PSI of 0.500 (95 % 0.400 to 0.600), above 0.1."
    assert both.sentence == "more has an excess PSI of 0.700 (95 % 0.600 to 0.800), above 0.1, and 1 more drifted."


def test_a_p_value_of_exactly_the_level_is_no_breach() -> None:
    assert judge([replace(MOVED, p_value=0.05)], 0.1, 200).state is SignalState.WITHIN_BOUNDS


@pytest.mark.parametrize(("least", "moved"), [(300, ("moved",)), (301, ())])
def test_a_feature_is_judged_from_min_samples_on(least: int, moved: tuple[str, ...]) -> None:
    more = replace(CALM, effective_samples=1000)
    assert judge([MOVED, more], 0.1, least).moved == moved


def test_a_feature_of_too_few_rows_is_not_the_one_that_moved_most() -> None:
    few = replace(MORE, effective_samples=10)
    assert judge([few, CALM], 0.1, 200).feature == "calm"


@pytest.mark.parametrize(
    ("label", "null", "unseen", "said"),
    [
        (NULL, ("raised",), (), "missing"),
        (BELOW, (), ("raised",), "below training's range"),
        (ABOVE, (), ("raised",), "above training's range"),
        (UNSEEN, (), ("raised",), "unseen in training"),
    ],
)
def test_a_raised_special_share_is_named_by_its_kind(
    label: str, null: tuple[str, ...], unseen: tuple[str, ...], said: str
) -> None:
    seen = judge([CALM, raised(label)], 0.1, 200)
    assert (seen.state, seen.feature) == (SignalState.BREACHED, "raised")
    assert (seen.moved, seen.null, seen.unseen) == ((), null, unseen)
    assert seen.sentence == (
        f"raised: 50.0% of values are {said}, in training 10.0%; "
        "among its other values raised has an excess PSI of 0.000 (95 % -0.010 to 0.030)."
    )


def test_the_figures_are_of_the_feature_whose_share_rose_most_and_absent_where_it_has_no_other_values() -> None:
    most = SpecialShare(ABOVE, 0.9, 0.1, 300, 1000, 0)
    gone = replace(CALM, feature="gone", excess=0.0, specials=(most,), regular_samples=0.0)
    seen = judge([raised(NULL, "first"), gone], 0.1, 200)
    assert (seen.feature, seen.value, seen.lower, seen.upper) == ("gone", None, None, None)
    assert seen.sentence == (
        "gone: 90.0% of values are above training's range, in training 10.0%; "
        "first: 50.0% of values are missing, in training 10.0%."
    )
    more = judge([raised(NULL, "first"), replace(gone, excess=0.02, regular_samples=30.0)], 0.1, 200)
    assert (more.feature, more.value) == ("gone", 0.02)


def test_a_share_that_was_high_in_training_already_is_not_the_one_that_rose_most() -> None:
    high = replace(CALM, feature="high", specials=(SpecialShare(NULL, 0.6, 0.35, 300, 1000, 0),))
    assert judge([high, raised(NULL)], 0.1, 200).null == ("raised", "high")


def test_of_many_raised_shares_the_five_that_rose_most_are_named() -> None:
    features = [raised(NULL, f"f{n}") for n in range(7)]
    seen = judge(features, 0.1, 200)
    assert seen.null == tuple(f"f{n}" for n in range(7))
    assert seen.sentence.count("missing") == 5
    assert "; 2 more shares rose; among its other values f0 has" in seen.sentence
    assert "more shares" not in judge(features[:5], 0.1, 200).sentence


def test_a_moved_feature_is_reported_before_a_raised_share() -> None:
    seen = judge([raised(NULL), MOVED], 0.1, 200)
    assert (seen.feature, seen.moved, seen.null) == ("moved", ("moved",), ("raised",))
    assert seen.sentence == (
        "moved has an excess PSI of 0.500 (95 % 0.400 to 0.600), above 0.1; "
        "raised: 50.0% of values are missing, in training 10.0%."
    )


def test_a_raised_share_breaches_though_the_regular_bins_have_too_few_rows() -> None:
    few = replace(raised(NULL), excess=0.9, p_value=0.0, effective_samples=10)
    seen = judge([few], 0.1, 200)
    assert (seen.state, seen.feature, seen.moved, seen.null) == (SignalState.BREACHED, "raised", (), ("raised",))
    assert (seen.value, seen.samples) == (0.9, 10)


def test_a_special_share_is_judged_from_min_samples_on_and_beyond_the_tolerance() -> None:
    (share,) = raised(NULL).specials
    rise = share.rise(0.05 / 4)
    assert judge([raised(NULL)], 0.1, 300).null == ("raised",)
    assert judge([replace(raised(NULL), effective_samples=400)], 0.1, 301).null == ()
    assert judge([raised(NULL)], 0.1, 200, tolerance=rise).null == ()
    assert judge([raised(NULL)], 0.1, 200, tolerance=math.nextafter(rise, 0)).null == ("raised",)


def test_without_enough_rows_the_largest_effective_sample_is_reported() -> None:
    smaller = replace(CALM, effective_samples=20, samples=30, design_effect=1.5)
    larger = replace(CALM, effective_samples=40, samples=100, design_effect=2.5)
    seen = judge([smaller, larger, smaller], 0.1, 200)
    assert (seen.state, seen.feature, seen.samples) == (SignalState.NO_DATA, "", 40)
    assert (seen.value, seen.lower, seen.upper) == (None, None, None)
    assert seen.sentence == "The effective sample is 40 (100 rows, design effect 2.5), below minSamples of 200."
    none = judge([], 0.1, 200)
    assert (none.state, none.samples) == (SignalState.NO_DATA, 0)
    assert none.sentence == "The effective sample is 0, below minSamples of 200."
