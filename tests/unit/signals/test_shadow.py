"""Mirrored predictions are compared one by one, and the comparison is told in a sentence."""

import numpy as np
import pytest

from homeostat.signals.shadow import NEWEST, Answered, ShadowComparison, compare, compare_all
from homeostat.tasks import UNNAMED
from homeostat.tasks.multiclass import MulticlassClassification
from homeostat.tasks.regression import Regression

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


def test_numbers_are_compared_in_their_own_unit_and_lead_to_no_decision() -> None:
    found = compare(9, [(1500.0, 1000.0), (900.0, 1000.0)], Regression(1000.0, 50.0))
    assert (found.difference_sum, found.absolute_difference_sum, found.disagreements) == (400.0, 600.0, 0)
    assert found.sentence() == (
        "On 2 mirrored requests its predictions are 200.0000 higher on average than those returned to callers "
        "(mean absolute difference 300.0000, largest 500.0000)."
    )


def test_classes_are_compared_by_their_probabilities_and_by_the_most_probable_one() -> None:
    pairs = [((0.5, 0.25, 0.25), (0.25, 0.5, 0.25)), ((0.5, 0.5, 0.0), (0.5, 0.25, 0.25))]
    found = compare(9, pairs, MulticlassClassification(("a", "b", "c")))
    assert (found.difference_sum, found.absolute_difference_sum, found.max_absolute_difference) == (0.0, 0.5, 0.25)
    assert found.sentence() == (
        "On 2 mirrored requests its probabilities differ by 0.250 on average from those returned to callers "
        "(half the sum over the classes, largest 0.250); 50.0% have another most probable class."
    )


def test_a_class_that_one_of_two_versions_does_not_know_has_the_probability_0_there() -> None:
    new, old = MulticlassClassification(("a", "b")), MulticlassClassification(("a", "c"))
    groups = [
        Answered(old, np.array([[0.25, 0.75]]), np.array([[0.25, 0.75]])),
        Answered(new, np.array([[1.0, 0.0]]), np.array([[1.0, 0.0]])),
        Answered(UNNAMED, np.array([[0.5, 0.5]]), np.array([0.5])),
    ]
    found = compare_all(4, new, groups)
    assert (found.mirrored, found.compared, found.disagreements) == (4, 2, 1)
    assert (found.absolute_difference_sum, found.max_absolute_difference) == (0.75, 0.75)


def test_the_newest_twenty_thousand_are_compared() -> None:
    assert NEWEST == 20_000
