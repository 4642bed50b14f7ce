"""Feast definitions made from FeatureSets; a namespace is a Feast project, a FeatureSet a feature view of its name.

Feast takes many seconds to import: only code that needs it imports this module.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import typeguard


@contextmanager
def _classes_as_written() -> Iterator[None]:
    """Classes that are defined meanwhile are not rewritten by typeguard.

    Feast decorates its classes with it, to check the types of arguments at run time. Parsing and compiling them again takes
    half of the CPU time of Feast's import, in every run. typeguard does not mean this for production and leaves it out under
    `python -O`, which would also drop our own assertions; mypy checks the types of our calls.
    """
    decorator = typeguard.typechecked
    typeguard.typechecked = lambda target: target  # type: ignore[assignment]  # of its forms Feast uses the plain one
    try:
        yield
    finally:
        typeguard.typechecked = decorator


os.environ.setdefault("FEAST_USAGE", "False")  # before the import: no run reports home

with _classes_as_written():
    import feast
    from feast import types as feast_types
    from feast.data_format import ParquetFormat

from homeostat.runs import FeatureSource  # noqa: E402 - after Feast, as the next
from homeostat_pipelines.online_store import CLASS_PATH, SCHEMA_TAG, TTL_TAG, TYPES_TAG  # noqa: E402 - imports Feast

_TYPES = {
    "String": feast_types.String,
    "Int64": feast_types.Int64,
    "Float64": feast_types.Float64,
    "Bool": feast_types.Bool,
}


def feature_store(
    namespace: str, registry: str, scratch: Path, online_store: dict[str, Any] | None = None
) -> feast.FeatureStore:
    """The Feast store of a namespace.

    Args:
        namespace: Project.
        registry: SQLAlchemy URL of the registry.
        scratch: A folder for Feast's relative paths.
        online_store: Configuration of the online store; None when none is needed.
    """
    return feast.FeatureStore(
        config=feast.RepoConfig(
            project=namespace,
            registry={"registry_type": "sql", "path": registry, "cache_ttl_seconds": 0},
            provider="local",
            online_store=online_store,
            offline_store={"type": "dask"},
            entity_key_serialization_version=3,
            repo_path=scratch,
        )
    )


def online_store(url: str) -> dict[str, Any]:
    """Configuration of our online store."""
    return {"type": CLASS_PATH, "url": url}


def entity_of(source: FeatureSource) -> feast.Entity:
    """The key of a FeatureSet."""
    entity = source.entities[0]
    kind = feast.ValueType.INT64 if entity.type == "Int64" else feast.ValueType.STRING
    return feast.Entity(name=entity.name, join_keys=[entity.name], value_type=kind)


def view_of(source: FeatureSource, path: str, endpoint: str | None = None) -> feast.FeatureView:
    """The feature view of a FeatureSet over one of its snapshots.

    Args:
        source: The FeatureSet.
        path: Parquet file of the snapshot, an S3 URI or a local path.
        endpoint: Address of the object store, with an S3 URI.
    """
    entity = entity_of(source)
    fields = [feast.Field(name=f.name, dtype=_TYPES[f.type.value]) for f in source.features]
    key = feast.Field(name=entity.name, dtype=_TYPES[source.entities[0].type.value])
    return feast.FeatureView(
        name=source.name,
        entities=[entity],
        ttl=timedelta(seconds=source.ttl_seconds),
        schema=[key, *fields],
        online=source.online_ttl_seconds is not None,
        source=feast.FileSource(
            name=f"{source.name}-snapshot",
            path=path,
            timestamp_field=source.timestamp_field,
            file_format=ParquetFormat(),
            s3_endpoint_override=endpoint,
        ),
        tags={
            SCHEMA_TAG: source.schema_hash,
            TTL_TAG: str(source.online_ttl_seconds or 0),
            TYPES_TAG: ",".join(f.type.value for f in source.features),
        },
    )
