"""Until when a FeatureSet is fresh, and what renews it: the FeatureSet reports it, and the Monitor reads the same rule."""

from datetime import datetime

from homeostat.api.common import format_time, parse_duration
from homeostat.api.v1alpha1 import FeatureSet

REQUEST_ANNOTATION = "homeostat.dev/materialize"
"""Of a FeatureSet: any value that it did not have before asks for one run."""


def renewal(namespace: str, name: str, next_run: datetime | None) -> str:
    """When a FeatureSet is materialised next, and the command that does not wait for it; it works each time it is given."""
    when = f"Its next run is at {format_time(next_run)}" if next_run else "No run is scheduled"
    command = f'kubectl -n {namespace} annotate featureset {name} --overwrite {REQUEST_ANNOTATION}="$(date +%s)"'
    return f"{when}; to start one now: {command}"


def fresh_until(feature_set: FeatureSet) -> datetime | None:
    """End of the time that ``spec.freshness.maxAge`` allows after the last good materialisation.

    None: the spec sets no bound, or nothing has been materialised yet.
    """
    last, freshness = feature_set.status.last_materialization, feature_set.spec.freshness
    if last is None or freshness is None:
        return None
    return last.time + parse_duration(freshness.max_age)
