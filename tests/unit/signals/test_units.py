"""A change of unit is recognised by mean and spread, from sums that counters carry."""

import random

import pytest

from homeostat.signals import FeatureKind, Moments, UnitChange, fit, unit_change
from homeostat.signals.histogram import FeatureBaseline

DRAW = random.Random(5)
TENURE = [DRAW.gauss(40, 12) for _ in range(2000)]
BALANCE = [DRAW.gauss(0, 300) for _ in range(2000)]


def baseline(values: list[float]) -> FeatureBaseline:
    return fit({"x": values}, {"x": FeatureKind.NUMERIC}).features[0]


def moments(of: FeatureBaseline, values: list[float]) -> Moments:
    assert of.mean is not None
    away = [value - of.mean for value in values]
    return Moments(
        count=len(away),
        above=sum(d for d in away if d > 0),
        below=-sum(d for d in away if d < 0),
        square=sum(d * d for d in away),
    )


def found(training: list[float], served: list[float]) -> UnitChange | None:
    of = baseline(training)
    return unit_change(of, moments(of, served))


@pytest.mark.parametrize("factor", [1000.0, 60.0, 1.609, 1 / 12, 0.001])
@pytest.mark.parametrize("training", [TENURE, BALANCE])
def test_a_constant_factor_is_named(training: list[float], factor: float) -> None:
    seen = found(training, [value * factor for value in DRAW.sample(training, 400)])
    assert seen is not None
    assert seen.factor == pytest.approx(factor, rel=0.1)
    assert seen.offset == 0
    assert str(seen).startswith("x is multiplied by ")


def test_a_constant_offset_beyond_the_usual_span_is_named() -> None:
    seen = found(TENURE, [value + 273.15 for value in DRAW.sample(TENURE, 400)])
    assert seen is not None
    assert seen.offset == pytest.approx(273.15, rel=0.02)
    assert str(seen).startswith("x is offset by +27")


@pytest.mark.parametrize(
    "served",
    [
        DRAW.sample(TENURE, 400),
        [value * 1.2 for value in DRAW.sample(TENURE, 400)],
        [value + 15 for value in DRAW.sample(TENURE, 400)],
        [DRAW.gauss(70, 12) for _ in range(400)],
        [DRAW.choice([5.0, 200.0]) for _ in range(400)],
        [7.0] * 400,
        [],
    ],
)
def test_another_population_is_not_another_unit(served: list[float]) -> None:
    assert found(TENURE, served) is None


def test_a_feature_that_never_varied_has_no_unit_to_change() -> None:
    assert found([3.0] * 100, [3000.0] * 100) is None


def a_numeric(mean: float | None, deviation: float | None) -> FeatureBaseline:
    return FeatureBaseline(name="x", kind=FeatureKind.NUMERIC, counts=(), n=0, mean=mean, deviation=deviation)


def change(
    trained: tuple[float | None, float | None], served: tuple[float, float], count: float = 200
) -> UnitChange | None:
    """What a window of that mean and spread is taken for; its distances below the old mean are 7 in sum."""
    moved = served[0] - (trained[0] or 0.0)
    square = count * (served[1] ** 2 + moved**2)
    return unit_change(a_numeric(*trained), Moments(count, moved * count + 7, 7, square))


@pytest.mark.parametrize(
    ("mean", "factor"),
    [(150.0, 1.5), (149.0, None), (200.0, 2.0), (66.0, 0.66), (70.0, None), (50.0, 0.5), (0.0, None)],
)
def test_a_factor_is_a_change_of_unit_from_one_and_a_half_on_and_down_to_its_inverse(
    mean: float, factor: float | None
) -> None:
    seen = change((100, 2), (mean, 2 * mean / 100 or 1))
    assert (seen.factor if seen else None) == (None if factor is None else pytest.approx(factor))


@pytest.mark.parametrize(
    ("spread", "agrees"), [(20 * 0.81, True), (20 * 0.79, False), (20 * 1.19, True), (20 * 1.21, False)]
)
def test_mean_and_spread_agree_on_a_factor_within_a_tenth_and_two_standard_errors_of_the_spread(
    spread: float, agrees: bool
) -> None:
    """Of 200 values the standard error of the spread is 5 % of it, so the limits are 20 % from the factor of 2."""
    assert change((100, 10), (200, spread)) == (UnitChange("x", factor=2.0) if agrees else None)


@pytest.mark.parametrize(("mean", "agrees"), [(13.9, True), (14.1, False), (6.1, True), (5.9, False)])
def test_where_the_mean_is_small_the_spread_gives_the_factor_and_the_mean_must_agree(mean: float, agrees: bool) -> None:
    """Of 400 values the standard error of the mean is 5 % of the spread, so the limits are 20 % of 20 around 2 * 5."""
    seen = change((5, 10), (mean, 20), count=400)
    assert (seen.factor if seen else None) == (pytest.approx(2) if agrees else None)


def test_a_mean_of_one_deviation_still_leaves_the_factor_to_the_spread() -> None:
    seen = change((10, 10), (20, 21))
    assert seen is not None
    assert seen.factor == pytest.approx(2.1)


@pytest.mark.parametrize(
    ("moved", "spread", "named"),
    [
        (33.1, 10, True), (32.9, 10, False), (-33.1, 10, True), (-32.9, 10, False),
        (40, 11.9, True), (40, 12.1, False), (40, 8.1, True), (40, 7.9, False),
    ],
)  # fmt: skip
def test_an_offset_is_more_than_3_3_deviations_at_an_unchanged_spread(moved: float, spread: float, named: bool) -> None:
    seen = change((1000, 10), (1000 + moved, spread))
    assert (seen.offset if seen else None) == (pytest.approx(moved) if named else None)
    assert seen is None or seen.factor == 1


def test_two_values_are_enough_and_one_or_two_equal_ones_are_not() -> None:
    assert change((100, 10), (200, 20), count=2) == UnitChange("x", factor=2.0)
    assert change((100, 10), (200, 20), count=1) is None
    assert change((100, 10), (200, 0), count=2) is None


def test_a_spread_below_one_is_as_good_as_any() -> None:
    seen = change((1, 0.1), (2, 0.2))
    assert seen is not None
    assert seen.factor == pytest.approx(2)


@pytest.mark.parametrize("trained", [(None, 10.0), (100.0, None), (100.0, 0.0)])
def test_without_mean_or_spread_of_training_no_unit_is_known(trained: tuple[float | None, float | None]) -> None:
    assert change(trained, (200, 20)) is None
