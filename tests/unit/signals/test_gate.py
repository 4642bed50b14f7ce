import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from homeostat.signals import (
    GateReport,
    GateRule,
    PairedComparison,
    RuleKind,
    RuleOutcome,
    Verdict,
    compare,
    decide,
    judge_gate,
)
from homeostat.tasks import Method
from homeostat.tasks.binary import METRICS, BinaryClassification
from homeostat.tasks.regression import Regression

BINARY = BinaryClassification()
Floats = NDArray[np.float64]
ROWS = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 20)), min_size=2, max_size=60)
MINIMUM, MUST_BEAT, NON_INFERIOR = RuleKind.MINIMUM, RuleKind.MUST_BEAT, RuleKind.NON_INFERIOR


def rule(kind: RuleKind, metric: str = "auc", bound: float | None = None) -> GateRule:
    return GateRule(kind=kind, metric=metric, bound=bound)


RULES = st.lists(
    st.one_of(
        st.builds(rule, st.just(MINIMUM), st.sampled_from(list(METRICS)), st.floats(0, 1)),
        st.builds(
            rule,
            st.sampled_from([MUST_BEAT, NON_INFERIOR]),
            st.sampled_from(list(METRICS)),
            st.one_of(st.none(), st.floats(0, 0.1)),
        ),
    ),
    max_size=5,
)


def a_holdout(rows: int = 1100, seed: int = 4) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Outcomes, a model that knows their probability, and one that knows it roughly."""
    rng = np.random.default_rng(seed)
    good = rng.beta(1, 2, rows)
    rough = np.clip(good + rng.normal(0, 0.2, rows), 0.02, 0.98)
    return (rng.random(rows) < good).astype(np.int64), good, rough


def verdict_of(challenger: str, *rules: GateRule) -> GateReport:
    labels, good, rough = a_holdout()
    scores, other = (good, rough) if challenger == "better" else (rough, good)
    return judge_gate(rules, BINARY, labels, scores, other, seed=1)


@settings(deadline=None)
@given(ROWS, RULES)
def test_a_model_against_itself_is_held_whatever_the_rules(rows: list[tuple[int, int]], rules: list[GateRule]) -> None:
    labels, scores = [label for label, _ in rows], [score / 20 for _, score in rows]
    report = judge_gate(rules, BINARY, labels, scores, scores)
    assert report.verdict is Verdict.HOLD


@given(ROWS)
def test_auc_counts_every_pair_and_ties_by_half(rows: list[tuple[int, int]]) -> None:
    good, bad = [s for y, s in rows if y], [s for y, s in rows if not y]
    measured = compare(BINARY, [y for y, _ in rows], [s / 20 for _, s in rows], None)
    value = next(metric.challenger for metric in measured if metric.name == "auc")
    if good and bad:
        pairs = [(g > b) + (g == b) / 2 for g in good for b in bad]
        assert value == pytest.approx(sum(pairs) / len(pairs))
    else:
        assert value is None


@pytest.mark.parametrize(
    ("challenger", "rules", "verdict"),
    [
        ("better", [rule(MINIMUM, bound=0.6), rule(MUST_BEAT), rule(NON_INFERIOR, "brier")], Verdict.PROMOTE),
        ("better", [rule(MINIMUM, "logloss", 0.3)], Verdict.REJECT),
        ("better", [rule(MUST_BEAT, bound=0.5)], Verdict.HOLD),
        ("worse", [rule(MUST_BEAT)], Verdict.REJECT),
        ("worse", [rule(NON_INFERIOR, bound=0.001)], Verdict.REJECT),
        ("worse", [rule(NON_INFERIOR, bound=0.5)], Verdict.PROMOTE),
        ("better", [], Verdict.PROMOTE),
    ],
)
def test_rules_lead_to_verdicts(challenger: str, rules: list[GateRule], verdict: Verdict) -> None:
    report = verdict_of(challenger, *rules)
    assert report.verdict is verdict
    assert all(result.sentence.endswith(".") for result in report.rules)


def test_the_first_model_is_judged_by_minimum_alone_and_the_report_says_so() -> None:
    labels, good, _ = a_holdout()
    report = judge_gate([rule(MINIMUM, bound=0.6), rule(MUST_BEAT)], BINARY, labels, good, None)
    assert report.verdict is Verdict.PROMOTE
    assert [result.outcome for result in report.rules] == [RuleOutcome.PASSED, RuleOutcome.SKIPPED]
    assert report.rules[1].sentence == "auc is not compared: there is no champion yet."
    assert {metric.difference for metric in report.metrics} == {None}


def test_a_positive_difference_is_better_in_every_metric() -> None:
    assert all((metric.difference or 0) > 0 for metric in verdict_of("better").metrics)


def test_the_margin_of_non_inferior_is_twice_the_standard_error_by_default() -> None:
    metric = PairedComparison(
        name="auc",
        challenger=0.8,
        champion=0.8,
        difference=0.0,
        standard_error=0.01,
        lower=-0.0199,
        upper=0.02,
        rows=9,
    )
    assert decide(BINARY, [rule(NON_INFERIOR)], [metric])[0] is Verdict.PROMOTE
    assert decide(BINARY, [rule(NON_INFERIOR)], [metric.model_copy(update={"lower": -0.0201})])[0] is Verdict.HOLD


def test_a_holdout_of_a_single_class_shows_nothing() -> None:
    report = judge_gate(
        [rule(MINIMUM, bound=0.6), rule(MUST_BEAT)], BINARY, [0, 0, 0], [0.1, 0.2, 0.3], [0.3, 0.2, 0.1]
    )
    assert report.verdict is Verdict.HOLD
    assert {result.outcome for result in report.rules} == {RuleOutcome.NOT_SHOWN}


def test_rows_of_one_entity_count_as_one() -> None:
    labels, good, rough = a_holdout(300)
    single = {m.name: m for m in compare(BINARY, labels, good, rough, seed=1)}
    tenfold = (np.tile(labels, 10), np.tile(good, 10), np.tile(rough, 10))
    whole = {m.name: m for m in compare(BINARY, *tenfold, [str(n) for n in range(300)] * 10, seed=1)}
    blind = {m.name: m for m in compare(BINARY, *tenfold, seed=1)}
    error = single["brier"].standard_error
    assert whole["brier"].standard_error == pytest.approx(error)
    assert (blind["brier"].standard_error or 0) < 0.5 * (error or 0)


def test_the_standard_error_is_that_of_repeated_holdouts() -> None:
    seen = [compare(BINARY, *a_holdout(400, seed))[0] for seed in range(120)]
    spread = np.std([metric.difference for metric in seen if metric.difference is not None])
    assert np.mean([metric.standard_error for metric in seen if metric.standard_error]) == pytest.approx(
        spread, rel=0.2
    )


def test_the_same_seed_gives_the_same_report_and_it_survives_the_wire() -> None:
    report = verdict_of("better", rule(MUST_BEAT))
    assert report == verdict_of("better", rule(MUST_BEAT))
    assert GateReport.model_validate_json(report.model_dump_json(by_alias=True)) == report


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (rule(MINIMUM), "has no value"),
        (rule(MUST_BEAT, bound=-0.1), "not negative"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(wrong: GateRule, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        verdict_of("better", wrong)
    with pytest.raises(ValueError, match="not measured"):
        decide(BINARY, [rule(MUST_BEAT)], [])


@pytest.mark.parametrize(
    ("scores", "entities", "message"),
    [
        ([0.1], None, "one score per labelled row"),
        ([0.1, 1.2], None, "probabilities"),
        ([0.1, 0.2], ["a"], "entity of each"),
    ],
)
def test_rows_that_do_not_match_are_refused(scores: list[float], entities: list[str] | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        compare(BINARY, [0, 1], scores, scores, entities)


def test_the_report_says_how_many_resamples_the_metrics_without_influences_took() -> None:
    numbers = np.random.default_rng(3).normal(0, 1, 200)
    outputs = numbers + np.random.default_rng(4).normal(0, 0.3, 200)
    report = judge_gate([], Regression(), numbers, outputs, outputs * 0.9, resamples=50)
    assert {metric.method for metric in report.metrics} > {Method.BOOTSTRAP}
    assert report.resamples == 50
    assert verdict_of("better").resamples == 0
