"""Until when a FeatureSet is fresh: the FeatureSet reports it, and the Monitor reads the same rule."""

from datetime import datetime

from homeostat.api.common import parse_duration
from homeostat.api.v1alpha1 import FeatureSet


def fresh_until(feature_set: FeatureSet) -> datetime | None:
    """End of the time that ``spec.freshness.maxAge`` allows after the last good materialisation.

    None: the spec sets no bound, or nothing has been materialised yet.
    """
    last, freshness = feature_set.status.last_materialization, feature_set.spec.freshness
    if last is None or freshness is None:
        return None
    return last.time + parse_duration(freshness.max_age)
