"""Numbers of the gate, each computed a second time, and every way in which a rule goes."""

import math
from itertools import product

import numpy as np
import pytest

from homeostat.enums import Metric
from homeostat.signals import gate
from homeostat.signals.gate import (
    GateRule,
    PairedComparison,
    RuleKind,
    RuleOutcome,
    Verdict,
    decide,
    judge_gate,
    paired_bootstrap,
)

PASSED, NOT_SHOWN, FAILED = RuleOutcome.PASSED, RuleOutcome.NOT_SHOWN, RuleOutcome.FAILED
MINIMUM, MUST_BEAT, NON_INFERIOR = RuleKind.MINIMUM, RuleKind.MUST_BEAT, RuleKind.NON_INFERIOR
LABELS = np.array([0, 1, 0, 1, 1, 0, 1])
GOOD = np.array([0.1, 0.6, 0.4, 0.4, 0.9, 0.6, 0.8])
ROUGH = np.array([0.5, 0.6, 0.4, 0.2, 0.7, 0.7, 0.5])


def a_difference(lower: float, upper: float, **changes: object) -> PairedComparison:
    figures = {"challenger": 0.8, "champion": 0.7, "difference": 0.1, "standard_error": 0.05, "rows": 40}
    return PairedComparison.model_validate({"name": "auc", "lower": lower, "upper": upper, **figures, **changes})


def gone(kind: RuleKind, metric: PairedComparison, bound: float | None = None) -> tuple[RuleOutcome, str]:
    result = decide([GateRule(kind=kind, metric=metric.name, bound=bound)], [metric])[1][0]
    assert (result.kind, result.metric) == (kind, metric.name)
    return result.outcome, result.sentence


def test_a_weighted_auc_counts_every_pair_as_often_as_both_rows_were_drawn() -> None:
    weights = np.array([[1.0] * 7, [0, 2, 3, 1, 0, 1, 4], [2, 1, 0, 1, 3, 1, 0]])
    seen = gate._weighted_auc(LABELS.astype(bool), GOOD, weights)
    for value, row in zip(seen, weights, strict=True):
        pairs = [
            (row[i] * row[j], (GOOD[i] > GOOD[j]) + (GOOD[i] == GOOD[j]) / 2)
            for i, j in product(range(7), range(7))
            if LABELS[i] and not LABELS[j]
        ]
        assert value == pytest.approx(sum(w * x for w, x in pairs) / sum(w for w, _ in pairs))


def test_draws_are_whole_entities_in_chunks_that_fit_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = np.array([0, 1, 0, 2, 1])
    monkeypatch.setattr(gate, "_CELLS", 15)
    chunks = list(gate._draws(codes, 7, 3))
    assert [chunk.shape for chunk in chunks] == [(3, 5), (3, 5), (1, 5)]
    drawn = np.concatenate(chunks)
    assert (drawn[:, 0] == drawn[:, 2]).all()
    assert (drawn[:, 1] == drawn[:, 4]).all()
    assert (drawn[:, [0, 1, 3]].sum(axis=1) == 3).all()
    assert len(np.unique(drawn, axis=0)) > 2
    monkeypatch.setattr(gate, "_CELLS", 4)
    assert [chunk.shape for chunk in gate._draws(codes, 2, 3)] == [(1, 5)] * 2


def test_the_sum_of_many_draws_finds_every_entity_equally_often() -> None:
    (drawn,) = gate._draws(np.arange(4), 4000, 0)
    assert drawn.mean(axis=0).tolist() == pytest.approx([1] * 4, abs=0.05)
    assert float(drawn.var()) == pytest.approx(3 / 4, abs=0.05)


def test_entities_are_numbered_as_they_appear() -> None:
    assert gate._codes(["b", "a", "b", "c"], 4).tolist() == [0, 1, 0, 2]
    assert gate._codes(None, 3).tolist() == [0, 1, 2]


def test_differences_are_signed_so_that_better_is_positive_in_every_draw() -> None:
    weights = np.array([[1.0] * 7, [0, 2, 3, 1, 0, 1, 0]])
    seen = gate._differences(LABELS.astype(bool), GOOD, ROUGH, iter([weights[:1], weights[1:]]))
    for n, row in enumerate(weights):
        brier = [float(row @ (scores - LABELS) ** 2 / row.sum()) for scores in (GOOD, ROUGH)]
        right = [float(row @ ((scores >= 0.5) == LABELS) / row.sum()) for scores in (GOOD, ROUGH)]
        assert seen[Metric.BRIER][n] == pytest.approx(brier[1] - brier[0])
        assert seen[Metric.ACCURACY][n] == pytest.approx(right[0] - right[1])


def test_the_interval_of_a_difference_is_from_the_2_5th_to_the_97_5th_percentile_of_its_draws() -> None:
    draws = np.arange(1001) / 1000
    seen = gate._compared(Metric.AUC, [0.75, 0.5], np.append(draws, math.nan), 40)
    assert (seen.difference, seen.lower, seen.upper) == pytest.approx((0.25, 0.025, 0.975))
    assert seen.standard_error == pytest.approx(np.std(draws, ddof=1))
    assert (seen.challenger, seen.champion, seen.rows) == (0.75, 0.5, 40)
    assert gate._compared(Metric.BRIER, [0.75, 0.5], draws, 40).difference == -0.25


def test_a_difference_needs_two_draws_and_a_defined_metric() -> None:
    two, one = np.array([0.1, 0.2, math.nan]), np.array([0.1, math.nan])
    assert gate._compared(Metric.AUC, [0.75, 0.5], two, 40).standard_error == pytest.approx(math.sqrt(0.005))
    for points, draws in (([0.75, 0.5], one), ([math.nan, 0.5], two)):
        seen = gate._compared(Metric.AUC, points, draws, 40)
        assert (seen.difference, seen.lower, seen.upper, seen.champion, seen.rows) == (None, None, None, 0.5, 40)
        assert seen.challenger == (None if math.isnan(points[0]) else points[0])


def test_two_thousand_resamples_of_seed_0_are_drawn_unless_asked_otherwise() -> None:
    report = judge_gate([], LABELS, GOOD, ROUGH, list("aabbccd"))
    assert (report.resamples, report.seed, report.rows, report.entities) == (2000, 0, 7, 4)
    assert report.metrics == paired_bootstrap(LABELS, GOOD, ROUGH, list("aabbccd"), resamples=2000, seed=0)


@pytest.mark.parametrize("score", [0.0, 1.0])
def test_the_ends_of_the_scale_are_probabilities(score: float) -> None:
    assert len(paired_bootstrap([0, 1], [score, 0.5], None)) == len(Metric)


@pytest.mark.parametrize(("labels", "scores"), [([], []), ([0, 1], [0.5]), ([0], [0.5, 0.6])])
def test_a_holdout_without_rows_or_with_other_rows_is_refused(labels: list[int], scores: list[float]) -> None:
    with pytest.raises(ValueError, match="give one score per labelled row"):
        paired_bootstrap(labels, scores, None)


def test_a_champion_with_other_rows_than_the_challenger_is_refused() -> None:
    with pytest.raises(ValueError, match="give one score per labelled row"):
        paired_bootstrap([0, 1], [0.5, 0.6], [0.5])


def test_the_interval_of_the_better_model_lies_above_zero_and_that_of_the_worse_below() -> None:
    labels = [0, 1] * 10
    good, bad = [0.1, 0.9] * 10, [0.4, 0.6] * 10
    for challenger, champion, sign in ((good, bad, 1), (bad, good, -1)):
        brier = next(m for m in paired_bootstrap(labels, challenger, champion) if m.name is Metric.BRIER)
        assert (brier.lower, brier.upper) == pytest.approx((0.15 * sign, 0.15 * sign))


def test_one_score_that_is_no_probability_is_refused_whichever_model_gave_it() -> None:
    for challenger, champion in (([0.5, -0.1], [0.5, 0.5]), ([0.5, 0.5], [1.1, 0.5])):
        with pytest.raises(ValueError, match="scores must be probabilities"):
            paired_bootstrap([0, 1], challenger, champion)


@pytest.mark.parametrize(
    ("name", "value", "outcome", "said"),
    [
        ("auc", 0.7, PASSED, "auc is 0.7000, required is at least 0.7: met."),
        ("auc", 0.69, FAILED, "auc is 0.6900, required is at least 0.7: not met."),
        ("brier", 0.7, PASSED, "brier is 0.7000, required is at most 0.7: met."),
        ("brier", 0.71, FAILED, "brier is 0.7100, required is at most 0.7: not met."),
        ("auc", None, NOT_SHOWN, "auc is not defined on these 40 rows (a single class)."),
    ],
)
def test_a_minimum_is_met_from_the_required_value_on(
    name: str, value: float | None, outcome: RuleOutcome, said: str
) -> None:
    assert gone(MINIMUM, a_difference(0.0, 0.2, name=name, challenger=value), 0.7) == (outcome, said)


@pytest.mark.parametrize(
    ("lower", "upper", "bound", "outcome", "said"),
    [
        (0.01, 0.2, None, PASSED, "shown to be better by more than 0."),
        (0.0, 0.2, None, NOT_SHOWN, "not shown to be better by more than 0 on 40 rows."),
        (0.1, 0.2, 0.1, NOT_SHOWN, "not shown to be better by more than 0.1 on 40 rows."),
        (0.11, 0.2, 0.1, PASSED, "shown to be better by more than 0.1."),
        (-0.2, 0.05, 0.1, NOT_SHOWN, "not shown to be better by more than 0.1 on 40 rows."),
        (-0.2, 0.0, 0.1, NOT_SHOWN, "not shown to be better by more than 0.1 on 40 rows."),
        (-0.2, -0.01, 0.1, FAILED, "shown to be worse."),
        (-0.2, -0.01, None, FAILED, "shown to be worse."),
    ],
)
def test_must_beat_asks_for_a_lower_bound_above_the_margin_and_rejects_an_upper_bound_below_zero(
    lower: float, upper: float, bound: float | None, outcome: RuleOutcome, said: str
) -> None:
    figures = f"auc gains +0.1000 (95 % {lower:+.4f} to {upper:+.4f}): "
    assert gone(MUST_BEAT, a_difference(lower, upper), bound) == (outcome, figures + said)


@pytest.mark.parametrize(
    ("lower", "upper", "bound", "outcome", "said"),
    [
        (-0.09, 0.2, None, PASSED, "shown to be no worse than by 0.1."),
        (-0.1, 0.2, None, NOT_SHOWN, "not shown to be no worse than by 0.1 on 40 rows."),
        (-0.3, -0.1, None, NOT_SHOWN, "not shown to be no worse than by 0.1 on 40 rows."),
        (-0.3, -0.11, None, FAILED, "shown to be worse by more than 0.1."),
        (-0.3, -0.11, 0.2, NOT_SHOWN, "not shown to be no worse than by 0.2 on 40 rows."),
        (0.01, 0.2, 0.0, PASSED, "shown to be no worse than by 0."),
    ],
)
def test_non_inferior_asks_for_a_lower_bound_above_the_negative_margin_and_rejects_an_upper_bound_below_it(
    lower: float, upper: float, bound: float | None, outcome: RuleOutcome, said: str
) -> None:
    figures = f"auc gains +0.1000 (95 % {lower:+.4f} to {upper:+.4f}): "
    assert gone(NON_INFERIOR, a_difference(lower, upper), bound) == (outcome, figures + said)


@pytest.mark.parametrize("missing", ["difference", "lower", "upper", "standard_error", "challenger"])
def test_a_difference_of_which_a_figure_is_missing_shows_nothing(missing: str) -> None:
    metric = a_difference(0.1, 0.2).model_copy(
        update={missing: None, "difference": None} if missing == "challenger" else {missing: None}
    )
    said = "auc cannot be compared on these 40 rows (a single class)."
    assert gone(MUST_BEAT, metric) == (NOT_SHOWN, said)
    neither = metric.model_copy(update={"challenger": None, "champion": None, "difference": None})
    assert gone(MUST_BEAT, neither) == (NOT_SHOWN, said)


def test_without_a_champion_a_comparison_is_skipped_and_the_rest_decides() -> None:
    first = a_difference(0, 0, champion=None, difference=None)
    assert gone(NON_INFERIOR, first) == (RuleOutcome.SKIPPED, "auc is not compared: there is no champion yet.")
    assert decide([], [first])[0] is Verdict.PROMOTE


def test_only_a_model_that_equals_the_champion_in_every_metric_is_held_for_that() -> None:
    same, other = a_difference(0.0, 0.0), a_difference(0.0, 0.1, name="brier")
    minimum = [GateRule(kind=MINIMUM, metric=Metric.AUC, bound=0.9)]
    assert decide(minimum, [same])[0] is Verdict.HOLD
    assert decide(minimum, [same, other])[0] is Verdict.REJECT
    assert decide([], [same, other])[0] is Verdict.PROMOTE


def test_one_failed_rule_rejects_whatever_the_others_show() -> None:
    metrics = [a_difference(-0.2, 0.2), a_difference(-0.2, -0.1, name="brier")]
    rules = [GateRule(kind=MUST_BEAT, metric=Metric.AUC), GateRule(kind=MUST_BEAT, metric=Metric.BRIER)]
    assert decide(rules, metrics)[0] is Verdict.REJECT
    assert decide(rules[:1], metrics)[0] is Verdict.HOLD
