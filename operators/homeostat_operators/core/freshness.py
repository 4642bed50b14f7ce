"""Until when a FeatureSet is fresh, and what renews it: the FeatureSet reports it, and the Monitor reads the same rule."""

from datetime import datetime

from homeostat.api.common import format_time, parse_duration
from homeostat.api.v1alpha1 import FeatureSet

REQUEST_ANNOTATION = "homeostat.dev/materialize"
"""Of a FeatureSet: any value that it did not have before asks for one run."""


def renewal(feature_set: FeatureSet) -> str:
    """What leads to the next run of a FeatureSet: its time and the command that does not wait for it, or the end of a pause."""
    metadata, schedule = feature_set.metadata, feature_set.spec.materialization
    if schedule is not None and schedule.suspend:
        return f"FeatureSet {metadata.name} is suspended; set its spec.materialization.suspend to false."
    next_run = feature_set.status.next_run_time
    when = f"Its next run is at {format_time(next_run)}" if next_run else "No run is scheduled"
    # The command works each time it is given.
    key = f'{REQUEST_ANNOTATION}="$(date +%s)"'
    command = f"kubectl -n {metadata.namespace} annotate featureset {metadata.name} --overwrite {key}"
    return f"{when}; to start one now: {command}"


def fresh_until(feature_set: FeatureSet) -> datetime | None:
    """End of the time that ``spec.freshness.maxAge`` allows after the last good materialisation.

    None: the spec sets no bound, or nothing has been materialised yet.
    """
    last, freshness = feature_set.status.last_materialization, feature_set.spec.freshness
    if last is None or freshness is None:
        return None
    return last.time + parse_duration(freshness.max_age)
