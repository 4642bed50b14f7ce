"""Online features, written and read on a real store."""

import uuid
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import pytest
from redis import Redis

from homeostat.engines.features.layout import row_key
from homeostat.engines.features.reader import FeatureReader
from homeostat.engines.features.writer import BATCH, FeatureWriter
from homeostat.reconcile.errors import EngineUnavailable, ObjectNotFound
from homeostat.settings import OnlineStoreSettings

SET = "customers"
HOUR = timedelta(hours=1)


@pytest.fixture
def store(online_store_settings: OnlineStoreSettings) -> Iterator[Redis]:
    with Redis.from_url(online_store_settings.url) as connection:
        yield connection


@pytest.fixture
async def reader(online_store_settings: OnlineStoreSettings) -> AsyncIterator[FeatureReader]:
    reader = FeatureReader(online_store_settings)
    yield reader
    await reader.close()


@pytest.fixture
def place(store: Redis) -> Iterator[str]:
    """A namespace of the test's own."""
    name = f"contract-{uuid.uuid4().hex}"
    yield name
    for key in store.scan_iter(f"homeostat:{name}:*"):
        store.delete(key)


def writer(store: Redis, namespace: str, schema: str = "h1", **features: str) -> FeatureWriter:
    return FeatureWriter(
        store,
        namespace=namespace,
        feature_set=SET,
        schema=schema,
        features=list(features),
        types=list(features.values()),
        ttl=HOUR,
    )


async def test_rows_are_read_by_name_in_the_order_of_the_keys(store: Redis, reader: FeatureReader, place: str) -> None:
    rows: list[tuple[str, float, list[Any]]] = [
        ("a", 1.0, [7, "dsl", 0.5, True]),
        ("b", 2.0, [None, "", -1e300, False]),
    ]
    writer(store, place, tenure="Int64", plan="String", charges="Float64", senior="Bool").write(rows)
    found = await reader.lookup(place, SET, ["b", "nobody", "a"])
    assert found == [
        {"tenure": None, "plan": "", "charges": -1e300, "senior": False},
        None,
        {"tenure": 7, "plan": "dsl", "charges": 0.5, "senior": True},
    ]


async def test_a_connection_that_the_store_closed_costs_no_request(
    store: Redis, reader: FeatureReader, place: str
) -> None:
    writer(store, place, tenure="Int64").write([("a", 1.0, [7])])
    assert await reader.lookup(place, SET, ["a"]) == [{"tenure": 7}]
    store.client_kill_filter(_type="normal", skipme=True)
    assert await reader.lookup(place, SET, ["a"]) == [{"tenure": 7}]


async def test_more_rows_than_a_batch_all_arrive(store: Redis, reader: FeatureReader, place: str) -> None:
    assert writer(store, place, tenure="Int64").write((str(n), 0.0, [n]) for n in range(2 * BATCH + 1)) == 2 * BATCH + 1
    last = str(2 * BATCH)
    assert await reader.lookup(place, SET, ["0", last]) == [{"tenure": 0}, {"tenure": 2 * BATCH}]


async def test_a_row_expires_with_the_online_ttl_and_the_metadata_stay(store: Redis, place: str) -> None:
    writer(store, place, tenure="Int64").write([("a", 0.0, [1])])
    remaining = store.ttl(row_key(place, SET, "a"))
    assert isinstance(remaining, int)
    assert 0 < remaining <= HOUR.total_seconds()
    assert store.ttl(f"homeostat:{place}:{SET}") == -1


async def test_a_later_row_takes_the_place_of_the_earlier(store: Redis, reader: FeatureReader, place: str) -> None:
    for value in (1, 2):
        writer(store, place, tenure="Int64").write([("a", 0.0, [value])])
    assert await reader.lookup(place, SET, ["a"]) == [{"tenure": 2}]


async def test_the_end_of_a_materialisation_says_through_when(store: Redis, reader: FeatureReader, place: str) -> None:
    written = writer(store, place, tenure="Int64")
    written.write([("a", 0.0, [1])])
    assert (await reader.describe(place, SET)).through is None
    written.finish(1234.5)
    assert (await reader.describe(place, SET)).through == 1234.5


async def test_no_request_fails_while_an_appended_feature_is_materialised(
    store: Redis, reader: FeatureReader, place: str
) -> None:
    writer(store, place, tenure="Int64").write([("a", 0.0, [1]), ("b", 0.0, [2])])
    writer(store, place, "h2", tenure="Int64", plan="String").write([("a", 0.0, [1, "dsl"])])
    assert await reader.lookup(place, SET, ["a", "b"]) == [{"tenure": 1, "plan": "dsl"}, {"tenure": 2, "plan": None}]


async def test_a_feature_set_that_was_never_materialised_is_named(reader: FeatureReader, place: str) -> None:
    with pytest.raises(ObjectNotFound, match=f"{place}/{SET} has no online features.*spec.online"):
        await reader.lookup(place, SET, ["a"])


def test_a_row_that_does_not_fit_its_features_is_refused(store: Redis, place: str) -> None:
    with pytest.raises(ValueError, match="'a' has 2 values for 1 features"):
        writer(store, place, tenure="Int64").write([("a", 0.0, [1, 2])])


async def test_a_store_that_is_down_is_an_outage_that_does_not_show_its_password() -> None:
    reader = FeatureReader(OnlineStoreSettings(url="redis://:hush@127.0.0.1:9/0"), patience=0.1)
    with pytest.raises(EngineUnavailable, match=r"127\.0\.0\.1:9.*HOMEOSTAT_ONLINE_STORE_URL") as raised:
        await reader.lookup("churn", SET, ["a"])
    assert "hush" not in str(raised.value)
    await reader.close()


def test_a_store_that_is_down_is_an_outage_to_the_writer_too() -> None:
    with pytest.raises(EngineUnavailable, match="online store does not answer"):
        writer(Redis.from_url("redis://127.0.0.1:9/0"), "churn", tenure="Int64").finish(0.0)
