"""New categories are counted by name only where they are frequent, and few of them."""

import asyncio
from collections import Counter
from collections.abc import Sequence

from homeostat.signals import FeatureKind, fit
from homeostat.signals.histogram import count
from homeostat_services.predictor.counters import Counters
from homeostat_services.predictor.exposition import Exposition
from homeostat_services.predictor.unseen import KEPT, LONGEST, SHOWN, UnseenValues

BASELINE = fit(
    {"plan": ["dsl", "none"] * 50, "tenure": [1.0, 2.0] * 50},
    {"plan": FeatureKind.CATEGORICAL, "tenure": FeatureKind.NUMERIC},
)
PLAN = BASELINE.feature("plan")


def named(*blocks: Sequence[object]) -> dict[str, int]:
    unseen = UnseenValues(PLAN)
    for block in blocks:
        unseen.add(Counter(block).items(), int(count(PLAN, block)[-1]))
    return unseen.shown


def test_a_new_category_is_named_once_it_is_a_hundredth_of_the_values_and_twenty_of_them() -> None:
    assert named(["fibre"] * 19 + ["dsl"] * 100) == {}
    assert named(["fibre"] * 20 + ["dsl"] * 100) == {"fibre": 20}
    assert named(["fibre"] * 20 + ["dsl"] * 1980) == {"fibre": 20}
    assert named(["fibre"] * 20 + ["dsl"] * 1981) == {}


def test_a_named_category_stays_and_its_count_only_rises() -> None:
    assert named(["fibre"] * 20, ["dsl"] * 5000, ["fibre", None, "", "none", 7], [f"v{n}" for n in range(9000)]) == {
        "fibre": 21
    }


def test_values_that_are_all_different_are_never_named_and_take_no_memory() -> None:
    unseen = UnseenValues(PLAN)
    for start in range(0, 20_000, 1000):
        unseen.add([(f"id-{n}", 1) for n in range(start, start + 1000)], 1000)
    assert unseen.shown == {}
    assert len(unseen.counts) <= KEPT


def test_no_more_than_a_few_are_named_and_a_long_one_is_cut() -> None:
    assert len(named([f"v{n % (SHOWN + 5)}" for n in range(100 * (SHOWN + 5))])) == SHOWN
    assert list(named(["x" * 500] * 30)) == ["x" * (LONGEST - 1) + "…"]


def test_a_predictor_shows_the_new_categories_of_texts_and_nothing_of_numbers() -> None:
    counters = Counters("churn", "churn", "1", BASELINE)
    counters.served({"plan": ["fibre"] * 30 + ["dsl"] * 30, "tenure": [99.0] * 60}, [0.5] * 60)
    text = asyncio.run(Exposition(counters).text()).decode()
    lines = [line for line in text.splitlines() if line.startswith("homeostat_feature_unseen_value_total{")]
    assert lines == [
        'homeostat_feature_unseen_value_total{deployment="churn",feature="plan",namespace="churn",value="fibre",version="1"} 30.0'
    ]
