"""What is said about the next run of a FeatureSet, the same by its own operator, a TrainingJob's and a Monitor's."""

from datetime import UTC, datetime

import pytest

from homeostat.testing.builders import a_feature_set
from homeostat_operators.core.freshness import renewal

START_NOW = 'to start one now: kubectl -n churn annotate featureset customers --overwrite homeostat.dev/materialize="$(date +%s)"'


@pytest.mark.parametrize(
    ("next_run", "when"),
    [(datetime(2026, 1, 5, 12, tzinfo=UTC), "Its next run is at 2026-01-05T12:00:00Z"), (None, "No run is scheduled")],
)
def test_the_time_of_the_next_run_stands_beside_the_command_that_does_not_wait_for_it(
    next_run: datetime | None, when: str
) -> None:
    assert renewal(a_feature_set(status={"next_run_time": next_run})) == f"{when}; {START_NOW}"


def test_a_suspended_feature_set_is_renewed_by_no_command_but_by_the_end_of_the_suspension() -> None:
    suspended = a_feature_set(materialization={"schedule": "0 * * * *", "suspend": True})
    assert renewal(suspended) == "FeatureSet customers is suspended; set its spec.materialization.suspend to false."
    going = a_feature_set(materialization={"schedule": "0 * * * *"})
    assert START_NOW in renewal(going)
    assert START_NOW in renewal(a_feature_set(materialization=None))
