"""Numbers of the gate, each computed a second time, and every way in which a rule goes."""

import numpy as np
import pytest

from homeostat.signals.comparison import PairedComparison, compare
from homeostat.signals.gate import GateRule, RuleKind, RuleOutcome, Verdict, decide, judge_gate
from homeostat.tasks.binary import METRICS, BinaryClassification

BINARY = BinaryClassification()
PASSED, NOT_SHOWN, FAILED = RuleOutcome.PASSED, RuleOutcome.NOT_SHOWN, RuleOutcome.FAILED
MINIMUM, MUST_BEAT, NON_INFERIOR = RuleKind.MINIMUM, RuleKind.MUST_BEAT, RuleKind.NON_INFERIOR
LABELS = np.array([0, 1, 0, 1, 1, 0, 1])
GOOD = np.array([0.1, 0.6, 0.4, 0.4, 0.9, 0.6, 0.8])
ROUGH = np.array([0.5, 0.6, 0.4, 0.2, 0.7, 0.7, 0.5])


def a_difference(lower: float, upper: float, **changes: object) -> PairedComparison:
    figures = {"challenger": 0.8, "champion": 0.7, "difference": 0.1, "standard_error": 0.05, "rows": 40}
    return PairedComparison.model_validate({"name": "auc", "lower": lower, "upper": upper, **figures, **changes})


def gone(kind: RuleKind, metric: PairedComparison, bound: float | None = None) -> tuple[RuleOutcome, str]:
    result = decide(BINARY, [GateRule(kind=kind, metric=metric.name, bound=bound)], [metric])[1][0]
    assert (result.kind, result.metric) == (kind, metric.name)
    return result.outcome, result.sentence


def test_a_gate_of_influence_functions_draws_nothing_and_reports_rows_and_entities() -> None:
    report = judge_gate([], BINARY, LABELS, GOOD, ROUGH, list("aabbccd"))
    assert (report.resamples, report.seed, report.rows, report.entities) == (0, 0, 7, 4)
    assert report.metrics == compare(BINARY, LABELS, GOOD, ROUGH, list("aabbccd"))
    assert judge_gate([], BINARY, LABELS, GOOD, None).entities == 7


@pytest.mark.parametrize("score", [0.0, 1.0])
def test_the_ends_of_the_scale_are_probabilities(score: float) -> None:
    assert len(compare(BINARY, [0, 1], [score, 0.5], None)) == len(METRICS)


@pytest.mark.parametrize(("labels", "scores"), [([], []), ([0, 1], [0.5]), ([0], [0.5, 0.6])])
def test_a_holdout_without_rows_or_with_other_rows_is_refused(labels: list[int], scores: list[float]) -> None:
    with pytest.raises(ValueError, match="give one score per labelled row"):
        compare(BINARY, labels, scores, None)


def test_a_champion_with_other_rows_than_the_challenger_is_refused() -> None:
    with pytest.raises(ValueError, match="give one score per labelled row"):
        compare(BINARY, [0, 1], [0.5, 0.6], [0.5])


def test_the_interval_of_the_better_model_lies_above_zero_and_that_of_the_worse_below() -> None:
    labels = [0, 1] * 10
    good, bad = [0.1, 0.9] * 10, [0.4, 0.6] * 10
    for challenger, champion, sign in ((good, bad, 1), (bad, good, -1)):
        brier = next(m for m in compare(BINARY, labels, challenger, champion) if m.name == "brier")
        assert (brier.lower, brier.upper) == pytest.approx((0.15 * sign, 0.15 * sign))


def test_one_score_that_is_no_probability_is_refused_whichever_model_gave_it() -> None:
    for challenger, champion in (([0.5, -0.1], [0.5, 0.5]), ([0.5, 0.5], [1.1, 0.5])):
        with pytest.raises(ValueError, match="scores must be probabilities"):
            compare(BINARY, [0, 1], challenger, champion)


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


@pytest.mark.parametrize("missing", ["difference", "lower", "upper", "standard_error"])
def test_a_difference_of_which_a_figure_is_missing_shows_nothing(missing: str) -> None:
    metric = a_difference(0.1, 0.2).model_copy(update={missing: None})
    said = "auc cannot be compared on these 40 rows (fewer than two entities)."
    assert gone(MUST_BEAT, metric) == (NOT_SHOWN, said)
    neither = metric.model_copy(update={"challenger": None, "champion": None, "difference": None})
    assert gone(MUST_BEAT, neither) == (NOT_SHOWN, "auc cannot be compared on these 40 rows (a single class).")


def test_a_rule_on_a_metric_that_the_task_does_not_have_names_those_that_it_has() -> None:
    with pytest.raises(
        ValueError, match=r"mustBeat rule on rmse.*BinaryClassification has auc, logloss, brier, accuracy"
    ):
        decide(BINARY, [GateRule(kind=MUST_BEAT, metric="rmse")], [a_difference(0.1, 0.2)])


def test_without_a_champion_a_comparison_is_skipped_and_the_rest_decides() -> None:
    first = a_difference(0, 0, champion=None, difference=None)
    assert gone(NON_INFERIOR, first) == (RuleOutcome.SKIPPED, "auc is not compared: there is no champion yet.")
    assert decide(BINARY, [], [first])[0] is Verdict.PROMOTE


def test_only_a_model_that_equals_the_champion_in_every_metric_is_held_for_that() -> None:
    same, other = a_difference(0.0, 0.0), a_difference(0.0, 0.1, name="brier")
    minimum = [GateRule(kind=MINIMUM, metric="auc", bound=0.9)]
    assert decide(BINARY, minimum, [same])[0] is Verdict.HOLD
    assert decide(BINARY, minimum, [same, other])[0] is Verdict.REJECT
    assert decide(BINARY, [], [same, other])[0] is Verdict.PROMOTE


def test_one_failed_rule_rejects_whatever_the_others_show() -> None:
    metrics = [a_difference(-0.2, 0.2), a_difference(-0.2, -0.1, name="brier")]
    rules = [GateRule(kind=MUST_BEAT, metric="auc"), GateRule(kind=MUST_BEAT, metric="brier")]
    assert decide(BINARY, rules, metrics)[0] is Verdict.REJECT
    assert decide(BINARY, rules[:1], metrics)[0] is Verdict.HOLD
