"""What a predictor counts of the values that it served, and how it shows that."""

import asyncio
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from homeostat.signals import FeatureKind, fit
from homeostat.signals.histogram import Baseline, assign
from homeostat_services.predictor.counters import BLOCK_ROWS, Counters
from homeostat_services.predictor.exposition import Exposition

BASELINE = fit(
    {"tenure": [1.0, 2.0, 3.0], "plan": ["dsl", "none", "dsl"]},
    {"tenure": FeatureKind.NUMERIC, "plan": FeatureKind.CATEGORICAL},
)
MANY = fit(
    {
        "spiked": [0.0] * 60 + [float(n) for n in range(40)],
        "narrow": [0.1 * n for n in range(100)],
        "absent": [None] * 100,
        "whole": [n % 7 for n in range(100)],
        "flag": [n % 3 == 0 for n in range(100)],
        "plan": [f"plan-{n % 9}" for n in range(100)],
        "code": [n % 4 for n in range(100)],
    },
    {
        **dict.fromkeys(("spiked", "narrow", "absent", "whole"), FeatureKind.NUMERIC),
        **dict.fromkeys(("flag", "plan", "code"), FeatureKind.CATEGORICAL),
    },
    scores=[n / 100 for n in range(100)],
)
NUMBERS = ("narrow", "spiked", "absent", "whole", "flag", "code")
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "spiked": st.none() | st.integers(-1, 50) | st.floats(-1, 50),
    "narrow": st.none() | st.sampled_from([0.1 * n for n in range(-2, 103)]) | st.just(math.nan),
    "absent": st.none() | st.floats(-1, 1),
    "whole": st.none() | st.integers(-1, 9) | st.just(2**62),
    "flag": st.none() | st.booleans(),
    "plan": st.none() | st.sampled_from(["", "plan-0", "plan-8", "new", "__null__", "1"]),
    "code": st.none() | st.integers(-1, 5),
}


def shown(counters: Counters) -> dict[tuple[str, ...], float]:
    """Value of each series by the name of its metric and its labels but those of the version."""
    text = asyncio.run(Exposition(counters).text()).decode()
    own = ("namespace", "deployment", "version")
    return {
        (sample.name, *(value for key, value in sorted(sample.labels.items()) if key not in own)): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_distances_from_the_training_mean_are_summed_over_the_finite_numbers() -> None:
    counters = Counters("churn", "churn", "1", BASELINE)
    counters.served({"tenure": [1, 5.0, None, math.inf, math.nan], "plan": ["dsl"] * 5}, [0.5] * 5)
    found = shown(counters)
    sums = {key[2]: value for key, value in found.items() if key[0] == "homeostat_feature_distance_total"}
    assert sums == {"above": 3.0, "below": 1.0, "square": 10.0}
    assert {key[1] for key in found if key[0] == "homeostat_feature_distance_total"} == {"tenure"}


def oracle(baseline: Baseline, rows: list[dict[str, Any]], scores: list[float]) -> dict[tuple[str, ...], float]:
    """The same counts value by value."""
    counts: dict[tuple[str, ...], float] = {}
    for feature in baseline.features:
        for row in rows:
            key = ("homeostat_feature_bin_total", assign(feature, row[feature.name]), feature.name)
            counts[key] = counts.get(key, 0) + 1
    for score in scores:
        assert baseline.score is not None
        label = assign(baseline.score, score)
        counts["homeostat_score_bin_total", label] = counts.get(("homeostat_score_bin_total", label), 0) + 1
    return counts


requests = st.lists(
    st.tuples(st.lists(st.fixed_dictionaries(VALUES), min_size=1, max_size=4), st.integers(1, 200), st.floats(0, 1)),
    min_size=1,
    max_size=6,
)


@settings(max_examples=25, deadline=None)
@given(drawn=requests, as_block=st.booleans(), scraped_after=st.integers(0, 8))
def test_blocks_count_exactly_what_a_value_at_a_time_would(
    drawn: list[tuple[list[dict[str, Any]], int, float]], as_block: bool, scraped_after: int
) -> None:
    counters = Counters("churn", "churn", "1", MANY, NUMBERS if as_block else ())
    every: list[dict[str, Any]] = []
    scores: list[float] = []
    for number, (rows, repeated, score) in enumerate(drawn):
        sent = rows * repeated
        columns = {name: [row[name] for row in sent] for name in VALUES}
        block = np.array([columns[name] for name in NUMBERS], dtype=np.float64) if as_block else None
        counters.served(columns, [score] * len(sent), block)
        every, scores = every + sent, scores + [score] * len(sent)
        if number == scraped_after:
            found = {key: value for key, value in shown(counters).items() if "_bin_" in key[0] and value}
            assert found == oracle(MANY, every, scores)
    found = {key: value for key, value in shown(counters).items() if "_bin_" in key[0] and value}
    assert found == oracle(MANY, every, scores)


def test_no_request_waits_for_the_count_of_a_whole_block() -> None:
    names = [f"f{n}" for n in range(20)]
    baseline = fit({name: [1.0, 2.0] for name in names}, dict.fromkeys(names, FeatureKind.NUMERIC))
    counters = Counters("churn", "churn", "1", baseline, names)
    numbers = np.full((len(names), 1), 1.5)
    counted: list[int] = []
    for row in range(3 * BLOCK_ROWS):
        before = sum(int(each.counts.sum()) for each in counters.features)
        counters.served({name: [1.5] for name in names}, [0.5], numbers)
        counted.append((sum(int(each.counts.sum()) for each in counters.features) - before) // BLOCK_ROWS)
        assert counted[-1] <= 1, f"request {row} counted {counted[-1]} features"
    assert sum(counted) == 2 * len(names)


async def test_what_is_served_while_a_scrape_is_answered_is_counted_by_the_next() -> None:
    counters = Counters("churn", "churn", "1", BASELINE)
    exposition = Exposition(counters)

    async def serve() -> None:
        for _ in range(3 * BLOCK_ROWS):
            counters.served({"tenure": [1.0], "plan": ["dsl"]}, [0.5])
            await asyncio.sleep(0)

    serving = asyncio.create_task(serve())
    seen = 0
    while not serving.done():
        await exposition.text()
        total = int(counters.features[0].counts.sum())
        assert total >= seen
        seen = total
    await exposition.text()
    assert [int(each.counts.sum()) for each in counters.features] == [3 * BLOCK_ROWS] * 2


@pytest.mark.parametrize("text", ['a"b', "a\\b", "a\nb", "ü"])
def test_labels_are_escaped(text: str) -> None:
    baseline = fit({"plan": [text, "other"]}, {"plan": FeatureKind.CATEGORICAL})
    counters = Counters("churn", "churn", "1", baseline)
    counters.served({"plan": [text]}, [0.5])
    assert shown(counters)["homeostat_feature_bin_total", text, "plan"] == 1
