from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

from homeostat.tasks import Fit
from homeostat.tasks.multiclass import (
    METRICS,
    NAMED_CLASSES,
    OTHERS,
    MulticlassClassification,
    MulticlassCohort,
    balanced_accuracy,
    macro_f1,
)

CLASSES = ("bird", "cat", "dog")
TASK = MulticlassClassification(CLASSES)
ROW = st.tuples(st.sampled_from([*CLASSES, "emu", 7]), st.lists(st.integers(1, 9), min_size=3, max_size=3))
ROWS = st.lists(ROW, max_size=25)


def written(labels: Iterable[object]) -> NDArray[np.object_]:
    return np.array(list(labels), dtype=object)


def cohort(rows: list[tuple[object, list[int]]]) -> MulticlassCohort:
    outputs = [[w / sum(weights) for w in weights] for _, weights in rows]
    return TASK.cohort(outputs, written(label for label, _ in rows))


def same(a: MulticlassCohort, b: MulticlassCohort) -> bool:
    left, right = a.model_dump(), b.model_dump()
    exact = ("confusion", "unseen")
    losses, others = dict(left.pop("class_log_losses")), dict(right.pop("class_log_losses"))
    same_counts = [left.pop(k) for k in exact] == [right.pop(k) for k in exact]
    return same_counts and losses == pytest.approx(others) and left == pytest.approx(right)


@given(ROWS, st.lists(st.integers(0, 2), min_size=25, max_size=25))
def test_cohorts_of_random_parts_add_up_to_that_of_the_whole(
    rows: list[tuple[object, list[int]]], parts: list[int]
) -> None:
    first, second, third = (cohort([row for row, of in zip(rows, parts, strict=False) if of == n]) for n in range(3))
    whole = cohort(rows)
    assert same(first.plus(second).plus(third), whole)
    assert same(third.plus(first.plus(second)), whole)
    assert whole.plus(MulticlassCohort()) == whole
    for name in METRICS:
        merged, direct = first.plus(second).plus(third).estimate(name), whole.estimate(name)
        assert (merged and merged.value) == pytest.approx(direct and direct.value)
        assert (merged and merged.upper) == pytest.approx(direct and direct.upper)


@given(ROWS.filter(lambda rows: len(rows) > 1))
def test_the_metrics_of_a_cohort_are_those_of_its_rows(rows: list[tuple[object, list[int]]]) -> None:
    seen, codes = cohort(rows), TASK.encode(written(label for label, _ in rows))
    outputs = np.array([[w / sum(weights) for w in weights] for _, weights in rows])
    for name, metric in METRICS.items():
        figures, measured = seen.estimate(name), metric.measure(codes, outputs)
        if name == "skill" and np.unique(codes).size == 1:
            assert (figures, measured) == (None, None)
            continue
        assert figures is not None
        assert measured is not None
        assert measured.influence is not None
        assert figures.value == pytest.approx(measured.value)
        assert measured.influence.sum() == pytest.approx(0, abs=1e-9 * len(rows))


def test_a_class_that_training_never_saw_is_an_error_counted_and_named() -> None:
    seen = TASK.cohort([[0.5, 0.3, 0.2]] * 4, ["bird", "emu", "emu", "yak"])
    accuracy, brier = seen.estimate("accuracy"), seen.estimate("brier")
    assert (accuracy and accuracy.value, seen.unseen) == (0.25, {"emu": 2, "yak": 1})
    assert brier is not None
    assert brier.value == pytest.approx((0.25 + 0.09 + 0.04 + 3 * (0.25 + 0.09 + 0.04 + 1)) / 4)
    assert seen.note() == " Training has seen no rows of 'emu' (2), 'yak' (1); they count as errors."
    assert TASK.cohort([[0.5, 0.3, 0.2]], ["cat"]).note() == ""


def test_of_many_new_classes_the_most_frequent_are_named_and_the_others_counted() -> None:
    names = [f"new{n:02d}" for n in range(30)]
    first = TASK.cohort([[1, 0, 0]] * 30, names)
    both = first.plus(TASK.cohort([[1, 0, 0]] * 2, ["new29", "x" * 300]))
    assert len(first.unseen) == NAMED_CLASSES + 1
    assert first.unseen[OTHERS] == 10
    assert sum(both.unseen.values()) == 32
    assert max(map(len, both.unseen)) <= 100


def test_recall_counts_each_class_alike_and_f1_also_those_only_predicted() -> None:
    cells, rows = np.array([[0, 0], [0, 1], [1, 1]]), np.array([8, 2, 1])
    assert balanced_accuracy(cells, rows)[0] == pytest.approx((0.8 + 1) / 2)
    assert macro_f1(cells, rows)[0] == pytest.approx((16 / 18 + 2 / 4) / 2)
    only_predicted = np.array([[0, 0], [0, 2]])
    assert macro_f1(only_predicted, np.array([1, 1]))[0] == pytest.approx((2 / 3 + 0) / 2)


def test_there_are_at_most_a_thousand_classes() -> None:
    assert MulticlassClassification(()).fit(np.array(["b", "a", 3, "a"], dtype=object)) == Fit(("3", "a", "b"))
    assert len(MulticlassClassification(()).fit(np.arange(1000)).classes) == 1000
    with pytest.raises(ValueError, match="1,001 classes, at most 1,000 are possible"):
        MulticlassClassification(()).fit(np.arange(1001))
    assert TASK.encode(written([3, "cat", "bird"])).tolist() == [-1, 1, 0]
    assert MulticlassClassification(("3", "4")).encode(np.array([4, 3])).tolist() == [1, 0]
    assert TASK.unlearnable(np.array(["cat", "cat"])) == (
        "have label 'cat'; a classifier needs two classes or more: add labels of others"
    )
    assert TASK.unlearnable(np.array(["cat", "dog"])) == ""


@pytest.mark.parametrize(
    "wrong", [[[0.5, 0.5]], [[0.5, 0.6, -0.1]], [[0.5, 0.3, 0.1]], [0.5], [[0.5, float("nan"), 0.5]]]
)
def test_outputs_that_are_no_probabilities_of_the_classes_are_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match="a probability from 0 to 1 for each of 3 classes"):
        TASK.checked(wrong)  # type: ignore[arg-type]


def test_output_drift_is_judged_on_the_class_of_the_highest_probability() -> None:
    assert TASK.binned(np.array([[0.2, 0.5, 0.3], [0.4, 0.2, 0.4]])) == ["cat", "bird"]


@pytest.mark.parametrize(
    "wrong", [{"predictions": 1, "matured": 2}, {"predictions": 2, "matured": 2, "confusion": [[0, 0, 1]]}]
)
def test_counts_that_contradict_each_other_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        MulticlassCohort.model_validate(wrong)
