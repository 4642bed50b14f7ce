"""FeatureSets: the card."""

from homeostat.api.v1alpha1 import FeatureSet
from homeostat.views.card import Card, condition_of, facts_of, time_text


def feature_set_card(o: FeatureSet) -> Card:
    """Its snapshot in service, the online store and the next run."""
    tone, state, message = condition_of(o)
    snapshot, last = o.status.snapshot, o.status.last_materialization
    facts = facts_of(
        ("Version", snapshot and snapshot.version),
        ("Rows", snapshot and f"{snapshot.rows:,}"),
        ("Files", last and last.source and f"{last.source.files:,} read, {last.source.unchanged_files:,} unchanged"),
        ("Online", last and f"{last.online_rows:,} entities"),
        ("Through", last and time_text(last.through)),
        ("Next", time_text(o.status.next_run_time)),
    )
    return Card(o.metadata.name, tone, state, message, facts, warnings=tuple(last.warnings) if last else ())
