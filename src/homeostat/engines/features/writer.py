"""Writing of online features, for the materialization and for the Feast plug-in of the pipelines."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from itertools import islice

import msgspec
from redis import Redis
from redis.exceptions import RedisError

from homeostat.engines.features.layout import Metadata, Row, Value, metadata_key, row_key, succeed
from homeostat.reconcile.errors import EngineUnavailable

BATCH = 1000
"""Rows sent at a time."""


class FeatureWriter:
    """Writes the rows of one FeatureSet under one schema.

    Args:
        client: The store, without decoding of responses.
        namespace: Namespace of the FeatureSet.
        feature_set: Its name.
        schema: Hash of its schema.
        features: Names of the features, in order.
        types: Their types, as in the spec.
        ttl: How long a row is served.
        entity_type: Type of the entity's key, as in the spec; empty: not known to the writer.
    """

    def __init__(
        self,
        client: Redis,
        *,
        namespace: str,
        feature_set: str,
        schema: str,
        features: Sequence[str],
        types: Sequence[str],
        ttl: timedelta,
        entity_type: str = "",
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._feature_set = feature_set
        self._schema = schema
        self._features = list(features)
        self._types = list(types)
        self._ttl = ttl
        self._entity_type = entity_type

    def write(self, rows: Iterable[tuple[str, float, Sequence[Value]]]) -> int:
        """Puts rows of (entity key as text, event time in Unix seconds, values in feature order); their number.

        Raises:
            ValueError: A row has another number of values than there are features.
            EngineUnavailable: The store does not answer.
        """
        with _reached():
            self._describe(None)  # first, so that no reader meets a row of a schema it does not know
            remaining = iter(rows)
            count = 0
            while batch := list(islice(remaining, BATCH)):
                pipeline = self._client.pipeline(transaction=False)
                for entity, time, values in batch:
                    pipeline.set(
                        row_key(self._namespace, self._feature_set, entity),
                        self._packed(entity, time, values),
                        ex=self._ttl,
                    )
                pipeline.execute()
                count += len(batch)
        return count

    def finish(self, through: float) -> None:
        """Says that source data known up to a time (Unix seconds) are materialised.

        Raises:
            EngineUnavailable: The store does not answer.
        """
        with _reached():
            self._describe(through)

    def _describe(self, through: float | None) -> None:
        key = metadata_key(self._namespace, self._feature_set)
        stored = self._client.get(key)
        previous = msgspec.msgpack.decode(stored, type=Metadata) if isinstance(stored, bytes) else None
        metadata = succeed(previous, self._schema, self._features, self._types, self._entity_type)
        if through is not None:
            metadata = msgspec.structs.replace(metadata, through=through)
        if metadata != previous:
            self._client.set(key, msgspec.msgpack.encode(metadata))

    def _packed(self, entity: str, time: float, values: Sequence[Value]) -> bytes:
        if len(values) != len(self._features):
            raise ValueError(f"the row of {entity!r} has {len(values)} values for {len(self._features)} features")
        return msgspec.msgpack.encode(Row(self._schema, time, list(values)))


@contextmanager
def _reached() -> Iterator[None]:
    try:
        yield
    except (RedisError, OSError) as error:
        raise EngineUnavailable(
            f"the online store does not answer ({error}); check that it runs and that HOMEOSTAT_ONLINE_STORE_URL is right"
        ) from error
