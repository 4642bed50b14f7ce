"""Mirrored predictions are compared one by one, and the comparison is told in a sentence."""

import pytest

from homeostat.signals.shadow import NEWEST, ShadowComparison, compare

PAIRS = [(0.75, 0.5), (0.25, 0.5), (0.5, 0.25), (0.125, 0.375), (0.5, 0.5)]


def test_differences_are_summed_with_and_without_their_sign() -> None:
    assert compare(9, PAIRS) == ShadowComparison(
        mirrored=9, compared=5, difference_sum=0.0, absolute_difference_sum=1.0, max_absolute_difference=0.25,
        disagreements=2,
    )  # fmt: skip
    assert compare(1, [(0.75, 0.5)]).difference_sum == 0.25
    assert compare(1, [(0.5, 0.75)]).difference_sum == -0.25


@pytest.mark.parametrize(
    ("mine", "theirs", "disagree"), [(0.5, 0.49, 1), (0.49, 0.5, 1), (0.5, 0.5, 0), (0.6, 0.51, 0), (0.49, 0.1, 0)]
)
def test_two_scores_disagree_if_only_one_of_them_is_at_least_a_half(mine: float, theirs: float, disagree: int) -> None:
    assert compare(1, iter([(mine, theirs)])).disagreements == disagree


def test_nothing_compared_says_nothing() -> None:
    assert compare(3, []) == ShadowComparison(mirrored=3)
    assert compare(3, []).sentence() == ""
    assert ShadowComparison() == compare(0, [])


@pytest.mark.parametrize(
    ("pairs", "difference", "absolute", "largest", "disagree"),
    [
        ([(0.75, 0.25), (0.5, 0.75)], "0.125 higher", "0.375", "0.500", "50.0%"),
        ([(0.25, 0.75)], "0.500 lower", "0.500", "0.500", "100.0%"),
        ([(0.25, 0.25)], "0.000 higher", "0.000", "0.000", "0.0%"),
    ],
)
def test_the_sentence_gives_mean_spread_and_disagreement(
    pairs: list[tuple[float, float]], difference: str, absolute: str, largest: str, disagree: str
) -> None:
    assert compare(9, pairs).sentence() == (
        f"On {len(pairs)} mirrored requests its scores are {difference} on average than those returned to callers "
        f"(mean absolute difference {absolute}, largest {largest}); {disagree} fall on the other side of 0.5."
    )


def test_the_newest_twenty_thousand_are_compared() -> None:
    assert NEWEST == 20_000
