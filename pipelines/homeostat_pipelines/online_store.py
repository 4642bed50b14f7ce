"""The Feast online store of the platform: one packed value per entity in Redis or Valkey.

Feast calls it by its class path in the store's configuration. The layout is that of `homeostat.engines.features`, so that
predictor and features service read the rows without Feast. Project, view and its tags stand for namespace, FeatureSet,
schema and ttl (see `definitions`).
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import msgspec
from feast import Entity, FeatureView, RepoConfig
from feast.infra.online_stores.online_store import OnlineStore
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value as FeastValue
from feast.repo_config import FeastConfigBaseModel
from redis import Redis

from homeostat.engines.features.layout import Metadata, Row, Value, metadata_key, named, row_key
from homeostat.engines.features.writer import FeatureWriter
from homeostat.values import is_missing

SCHEMA_TAG, TTL_TAG, TYPES_TAG = "homeostat.dev/schema", "homeostat.dev/online-ttl-seconds", "homeostat.dev/types"
CLASS_PATH = "homeostat_pipelines.online_store.HomeostatOnlineStore"
TIMEOUT_SECONDS = 10

Rows = list[tuple[EntityKey, dict[str, FeastValue], datetime, datetime | None]]
Read = list[tuple[datetime | None, dict[str, FeastValue] | None]]


class HomeostatOnlineStoreConfig(FeastConfigBaseModel):
    """Configuration; Feast finds it by the name of the store's class."""

    type: Literal["homeostat_pipelines.online_store.HomeostatOnlineStore"] = (
        "homeostat_pipelines.online_store.HomeostatOnlineStore"
    )
    url: str
    """redis://[:password@]host:port/database."""


class HomeostatOnlineStore(OnlineStore):
    """Reads and writes rows in the platform's layout."""

    _connected: Redis | None = None

    def online_write_batch(
        self,
        config: RepoConfig,
        table: FeatureView,
        data: Rows,
        progress: Callable[[int], Any] | None,
    ) -> None:
        """Puts rows, each with the ttl of its view."""
        names = [feature.name for feature in table.features]
        self.writer(config, table).write(
            (_key_text(key), _utc(time).timestamp(), [_python(values[name]) for name in names])
            for key, values, time, _ in data
        )
        if progress:
            progress(len(data))

    def online_read(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: list[EntityKey],
        requested_features: list[str] | None = None,
    ) -> Read:
        """Event time and values of each entity; (None, None) where there is no row."""
        keys = [row_key(config.project, table.name, _key_text(key)) for key in entity_keys]
        found: list[Any] = self._client(config).mget([metadata_key(config.project, table.name), *keys])
        described, *rows = found
        if described is None:
            return [(None, None)] * len(entity_keys)
        metadata = msgspec.msgpack.decode(described, type=Metadata)
        wanted = requested_features or [feature.name for feature in table.features]
        return [_decoded(metadata, row, wanted) for row in rows]

    def update(
        self,
        config: RepoConfig,
        tables_to_delete: Sequence[FeatureView],
        tables_to_keep: Sequence[FeatureView],  # noqa: ARG002 - Feast's signature; rows need no preparation
        entities_to_delete: Sequence[Entity],  # noqa: ARG002 - as above
        entities_to_keep: Sequence[Entity],  # noqa: ARG002 - as above
        partial: bool,  # noqa: ARG002 - as above
    ) -> None:
        """Removes the rows of deleted views."""
        for table in tables_to_delete:
            self._forget(config, table)

    def teardown(self, config: RepoConfig, tables: Sequence[FeatureView], entities: Sequence[Entity]) -> None:  # noqa: ARG002 - Feast's signature
        """Removes all rows of the views."""
        for table in tables:
            self._forget(config, table)

    def writer(self, config: RepoConfig, table: FeatureView) -> FeatureWriter:
        """A writer of rows of this view."""
        return FeatureWriter(
            self._client(config),
            namespace=config.project,
            feature_set=table.name,
            schema=table.tags[SCHEMA_TAG],
            features=[feature.name for feature in table.features],
            types=table.tags[TYPES_TAG].split(","),
            ttl=timedelta(seconds=int(table.tags[TTL_TAG])),
        )

    def _client(self, config: RepoConfig) -> Redis:
        if self._connected is None:
            self._connected = Redis.from_url(config.online_store.url, socket_timeout=TIMEOUT_SECONDS)
        return self._connected

    def _forget(self, config: RepoConfig, table: FeatureView) -> None:
        client = self._client(config)
        key = metadata_key(config.project, table.name)
        client.delete(key)
        for found in client.scan_iter(match=f"{key}:*", count=1000):
            client.unlink(found)


def _decoded(
    metadata: Metadata, stored: bytes | None, wanted: list[str]
) -> tuple[datetime | None, dict[str, FeastValue] | None]:
    if stored is None:
        return None, None
    row = msgspec.msgpack.decode(stored, type=Row)
    values = named(metadata, row)
    if values is None:
        return None, None
    types = dict(zip(metadata.features, metadata.types, strict=True))
    protos = {name: _feast(values.get(name), types.get(name, "")) for name in wanted}
    return datetime.fromtimestamp(row.time, UTC), protos


def _key_text(key: EntityKey) -> str:
    (value,) = key.entity_values  # a FeatureSet has one entity
    return str(_python(value))


def _python(value: FeastValue) -> Value:
    kind = value.WhichOneof("val")
    found: Value = None if kind is None else getattr(value, kind)
    return None if kind == "double_val" and is_missing(found) else found


def _feast(value: Value, kind: str) -> FeastValue:
    proto = FeastValue()
    if value is not None:
        fields = {"String": "string_val", "Int64": "int64_val", "Float64": "double_val", "Bool": "bool_val"}
        setattr(proto, fields[kind], value)
    return proto


def _utc(time: datetime) -> datetime:
    return time if time.tzinfo else time.replace(tzinfo=UTC)
