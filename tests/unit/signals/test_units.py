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
