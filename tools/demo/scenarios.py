"""The scenarios that a story can be told of."""

from collections.abc import Callable

from tools.demo import churn, flights, rodents
from tools.demo.scenario import Scenario

SCENARIOS: dict[str, Callable[[], Scenario]] = {
    "churn": churn.scenario,
    "flights": flights.scenario,
    "rodents": rodents.scenario,
}
"""By name; data are read when one is chosen."""
