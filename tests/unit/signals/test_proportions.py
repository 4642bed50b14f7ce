"""The bound of a difference of two proportions, by published examples and by simulation."""

import numpy as np
import pytest

from homeostat.intervals import figure
from homeostat.signals import difference_lower

DRAWS = 2000


@pytest.mark.parametrize(
    ("first", "second", "lower"),
    [
        ((56, 70), (48, 80), 0.0524),
        ((9, 10), (3, 10), 0.1705),
        ((6, 7), (2, 7), 0.0582),
        ((5, 56), (0, 29), -0.0381),
        ((0, 10), (0, 20), -0.1611),
        ((10, 10), (0, 10), 0.6075),
    ],
)
def test_the_lower_bound_of_a_difference_is_that_of_newcombes_table(
    first: tuple[int, int], second: tuple[int, int], lower: float
) -> None:
    """Table II of the paper, method 10."""
    assert difference_lower(first, second) == pytest.approx(lower, abs=5e-5)


@pytest.mark.parametrize(("first", "second"), [((0, 0), (1, 9)), ((9, 9), (0, 0))])
def test_without_trials_any_difference_is_possible(first: tuple[int, int], second: tuple[int, int]) -> None:
    assert difference_lower(first, second) == -1


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.81234, "0.8123"),
        (0.0, "0.0000"),
        (1e-17, "0.0000"),
        (0.0004123, "0.0004"),
        (3.14159e-6, "3.142e-06"),
        (-2e5, "-200000.0000"),
    ],
)
def test_a_figure_is_written_so_that_something_of_it_is_seen(value: float, text: str) -> None:
    assert figure(value) == text


def test_a_part_of_a_trial_counts_as_such() -> None:
    assert -1 < difference_lower((0.5, 0.5), (0, 10)) < difference_lower((1, 1), (0, 10))


@pytest.mark.parametrize("rates", [(0.01, 0.01), (0.05, 0.05), (0.1, 0.02), (0.3, 0.3), (0.6, 0.5), (0.02, 0.1)])
@pytest.mark.parametrize("sizes", [(50, 50), (100, 300), (1000, 200)])
def test_the_bound_lies_above_the_true_difference_no_more_often_than_it_states(
    rates: tuple[float, float], sizes: tuple[int, int]
) -> None:
    rng = np.random.default_rng([*sizes, *(int(1000 * rate) for rate in rates)])
    drawn = zip(*(rng.binomial(size, rate, DRAWS) for size, rate in zip(sizes, rates, strict=True)), strict=True)
    bounds = [difference_lower((first, sizes[0]), (second, sizes[1])) for first, second in drawn]
    beyond = np.mean([bound > rates[0] - rates[1] for bound in bounds])
    assert beyond <= 0.025 + 0.015  # a method for large samples, and three standard errors of 2,000 draws
