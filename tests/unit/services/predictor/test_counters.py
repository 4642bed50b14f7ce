"""What a predictor counts of the values that it served."""

import math

from prometheus_client import CollectorRegistry, generate_latest

from homeostat.signals import FeatureKind, fit
from homeostat_services.predictor.counters import Counters

BASELINE = fit(
    {"tenure": [1.0, 2.0, 3.0], "plan": ["dsl", "none", "dsl"]},
    {"tenure": FeatureKind.NUMERIC, "plan": FeatureKind.CATEGORICAL},
)


def test_distances_from_the_training_mean_are_summed_over_the_finite_numbers() -> None:
    registry, counters = CollectorRegistry(), Counters("churn", "churn", "1", BASELINE)
    registry.register(counters)
    counters.served({"tenure": [1, 5.0, None, math.inf, math.nan], "plan": ["dsl"] * 5}, [])
    text = generate_latest(registry).decode()
    for moment, total in (("above", 3.0), ("below", 1.0), ("square", 10.0)):
        labels = f'deployment="churn",feature="tenure",moment="{moment}",namespace="churn",version="1"'
        assert f"homeostat_feature_distance_total{{{labels}}} {total}" in text
    assert 'homeostat_feature_distance_total{deployment="churn",feature="plan"' not in text
