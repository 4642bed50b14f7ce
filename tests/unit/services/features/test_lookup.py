import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest

from homeostat.engines.features.layout import Metadata, Row, metadata_key, row_key
from homeostat.engines.features.reader import FeatureReader
from homeostat.settings import OnlineStoreSettings
from homeostat_services.access import Access, Guard
from homeostat_services.access.memory import MemoryReviews
from homeostat_services.features.app import create_app

ADA = {"Authorization": "Bearer token-ada"}


class MemoryRedis:
    """The three calls that the reader makes; the real client is proven by the reader's contract tests."""

    def __init__(self) -> None:
        metadata = Metadata("s1", ["tenure", "plan"], ["Int64", "String"], through=1000.0)
        row = Row("s1", 900.0, [12, "fibre"])
        self.content = {
            metadata_key("churn", "customers"): msgspec.msgpack.encode(metadata),
            row_key("churn", "customers", "7590-VHVEG"): msgspec.msgpack.encode(row),
        }
        self.up = True

    async def mget(self, keys: list[str]) -> list[bytes | None]:
        if not self.up:
            raise ConnectionRefusedError("refused")
        return [self.content.get(key) for key in keys]

    async def ping(self) -> bool:
        return self.up

    async def aclose(self) -> None:
        self.up = False


@pytest.fixture
def redis() -> MemoryRedis:
    return MemoryRedis()


@pytest.fixture
async def client(redis: Any) -> AsyncIterator[httpx.AsyncClient]:
    reader = FeatureReader(OnlineStoreSettings(url="redis://store:6379/0"), redis, patience=0)
    rights = {("ada", Access("get", "featuresets", "churn"))}
    app = create_app(reader, Guard(MemoryReviews({"token-ada": "ada"}, rights)), lambda: 1060.0)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://features") as http:
        yield http


def wanted(**changes: Any) -> dict[str, Any]:
    return {"namespace": "churn", "featureSet": "customers", "entities": ["7590-VHVEG", "unknown"]} | changes


async def test_a_lookup_gives_values_age_and_who_was_not_found(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/features/lookup", json=wanted(), headers=ADA)
    assert answer.json() == {
        "through": 1000.0,
        "ageSeconds": 60.0,
        "rows": [
            {"entity": "7590-VHVEG", "found": True, "values": {"tenure": 12, "plan": "fibre"}},
            {"entity": "unknown", "found": False, "values": {}},
        ],
    }
    assert (
        'homeostat_features_rows_total{feature_set="customers",found="false",namespace="churn"} 1.0'
        in (await client.get("/metrics")).text
    )


async def test_only_the_features_asked_for_are_answered_and_an_unknown_one_is_named(client: httpx.AsyncClient) -> None:
    some = await client.post("/v1/features/lookup", json=wanted(features=["plan"]), headers=ADA)
    assert some.json()["rows"][0]["values"] == {"plan": "fibre"}
    wrong = await client.post("/v1/features/lookup", json=wanted(features=["plans"]), headers=ADA)
    assert wrong.status_code == 422
    assert "['plans'] are not in feature set 'customers'; it has tenure, plan" in wrong.json()["error"]


@pytest.mark.parametrize("entity", ["007", "7.0", "+7", "-0", "seven", "9223372036854775808"])
async def test_an_id_that_is_no_key_of_an_integer_entity_is_refused_by_its_place(
    client: httpx.AsyncClient, redis: MemoryRedis, entity: str
) -> None:
    metadata = Metadata("s1", ["tenure"], ["Int64"], entity_type="Int64")
    redis.content[metadata_key("churn", "customers")] = msgspec.msgpack.encode(metadata)
    redis.content[row_key("churn", "customers", "7")] = msgspec.msgpack.encode(Row("s1", 900.0, [12]))
    right = await client.post("/v1/features/lookup", json=wanted(entities=["7", "-9223372036854775808"]), headers=ADA)
    assert [row["found"] for row in right.json()["rows"]] == [True, False]
    wrong = await client.post("/v1/features/lookup", json=wanted(entities=["7", entity]), headers=ADA)
    assert wrong.status_code == 422
    assert re.search(rf"entities\[1\] is .{re.escape(entity)}.*; an entity id is an integer", wrong.json()["error"])


@pytest.mark.parametrize("entity_type", ["", "String"])
async def test_any_text_is_an_id_of_a_text_entity_or_of_one_whose_type_is_not_recorded(
    client: httpx.AsyncClient, redis: MemoryRedis, entity_type: str
) -> None:
    metadata = Metadata("s1", ["tenure"], ["Int64"], entity_type=entity_type)
    redis.content[metadata_key("churn", "customers")] = msgspec.msgpack.encode(metadata)
    redis.content[row_key("churn", "customers", "007")] = msgspec.msgpack.encode(Row("s1", 900.0, [12]))
    answer = await client.post("/v1/features/lookup", json=wanted(entities=["007"]), headers=ADA)
    assert answer.json()["rows"][0]["found"] is True


async def test_a_lookup_needs_the_right_to_get_the_feature_set(client: httpx.AsyncClient) -> None:
    assert (await client.post("/v1/features/lookup", json=wanted())).status_code == 401
    other = await client.post("/v1/features/lookup", json=wanted(namespace="sales"), headers=ADA)
    assert other.status_code == 403
    assert "--verb=get --resource=featuresets.homeostat.dev" in other.json()["error"]


async def test_what_was_never_materialised_is_not_found_and_a_store_that_is_down_is_unavailable(
    client: httpx.AsyncClient, redis: MemoryRedis
) -> None:
    other = await client.post("/v1/features/lookup", json=wanted(featureSet="other"), headers=ADA)
    assert other.status_code == 404
    assert "spec.online" in other.json()["error"]
    redis.up = False
    down = await client.post("/v1/features/lookup", json=wanted(), headers=ADA)
    assert down.status_code == 503
    assert "HOMEOSTAT_ONLINE_STORE_URL" in down.json()["error"]
