"""The point-in-time join: each label with the features as they were known at its prediction."""

import tempfile
from pathlib import Path

import pyarrow as pa
import structlog

from homeostat.artifacts.dataset import LABEL, TIME
from homeostat.engines.objects import ObjectNotFound, ObjectStore
from homeostat.reconcile.errors import InvalidData
from homeostat.runs import FeatureSource
from homeostat_pipelines.columns import ARROW

log = structlog.get_logger()


def join(objects: ObjectStore, namespace: str, sources: list[FeatureSource], labels: pa.Table) -> pa.Table:
    """Labels with features, by Feast's offline store; labels without any known feature are left out.

    The views lie over exactly the snapshots that the run's input names, in a registry of the run's own: what Feast's
    shared registry says may change while a training runs.

    Raises:
        InvalidData: A snapshot is gone, or no label has features.
    """
    import pandas as pd  # noqa: PLC0415 - slow to import, and only needed with Feast

    from homeostat_pipelines import definitions  # noqa: PLC0415 - Feast is slow to import

    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        store = definitions.feature_store(namespace, f"sqlite:///{scratch / 'registry.db'}", scratch)
        views = [
            definitions.view_of(source, str(_snapshot(objects, source, scratch / f"{source.name}.parquet")))
            for source in sources
        ]
        store.apply([definitions.entity_of(sources[0]), *views], skip_feature_view_validation=True)
        asked = labels.to_pandas().rename(columns={TIME: "event_timestamp"})
        asked["event_timestamp"] = pd.to_datetime(asked["event_timestamp"], utc=True)
        wanted = [f"{source.name}:{feature.name}" for source in sources for feature in source.features]
        found = store.get_historical_features(entity_df=asked, features=wanted).to_df()
    return _typed(found.rename(columns={"event_timestamp": TIME}), sources, labels)


def _snapshot(objects: ObjectStore, source: FeatureSource, path: Path) -> Path:
    try:
        objects.download(source.snapshot_uri, path)
    except ObjectNotFound as error:
        raise InvalidData(
            f"snapshot {source.snapshot_uri} of feature set {source.name} is gone; materialise it again"
        ) from error
    return path


def _typed(found: "pd.DataFrame", sources: list[FeatureSource], labels: pa.Table) -> pa.Table:  # type: ignore[name-defined]  # noqa: F821 - pandas is imported late
    """Feast's answer in the types of the spec, sorted by entity."""
    entity = sources[0].entities[0].name
    types = {
        entity: labels.schema.field(entity).type,
        TIME: labels.schema.field(TIME).type,
        LABEL: labels.schema.field(LABEL).type,
        **{feature.name: ARROW[feature.type.value] for source in sources for feature in source.features},
    }
    table = pa.table(
        {name: pa.Array.from_pandas(found[name]).cast(kind, safe=name != TIME) for name, kind in types.items()}
    )
    features = [name for name in types if name not in {entity, TIME, LABEL}]
    known = pa.array([False] * table.num_rows)
    for name in features:
        known = pa.compute.or_(known, pa.compute.is_valid(table.column(name)))
    kept = table.filter(known).sort_by(entity).combine_chunks()
    log.info("features joined", labels=labels.num_rows, without_features=labels.num_rows - kept.num_rows)
    if kept.num_rows == 0:
        raise InvalidData(
            f"none of {labels.num_rows} labels has features known at its time within ttl; "
            "check the entity keys, the times of labels and features, and spec.ttl of the FeatureSet"
        )
    return kept
