"""Materialisation and training against a real Redis, a real S3 and Feast's SQL registry."""

import asyncio
import os
import subprocess
import sys
import tempfile
import uuid
from datetime import timedelta
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest
from feast import FileSource
from redis import Redis

from homeostat.documents import TolerantDocument
from homeostat.engines.features.layout import Metadata, Value
from homeostat.engines.features.reader import FeatureReader
from homeostat.engines.objects.s3 import S3Objects
from homeostat.engines.runs.packages import bundled
from homeostat.runs import FailureReason, MaterializeResult, RunFailure, TrainInput, TrainResult
from homeostat.settings import OnlineStoreSettings, S3Settings
from homeostat_pipelines import definitions, materialize
from homeostat_pipelines.training import COMPILED
from support.tables import (
    LABELS,
    NOON,
    SOURCE,
    customers,
    feature_source,
    labels,
    materialize_input,
    parquet,
    train_input,
)

pytestmark = pytest.mark.filterwarnings("ignore")  # Feast, Dask and pandas warn about each other


class World:
    """The services of one test, and runs in processes of their own."""

    def __init__(self, s3: dict[str, str], redis_url: str, registry_url: str) -> None:
        self.redis_url, self.registry_url = redis_url, registry_url
        self.namespace = f"t{uuid.uuid4().hex[:8]}"
        self.endpoint = s3["HOMEOSTAT_S3_ENDPOINT"]
        self.objects = S3Objects(S3Settings(endpoint=self.endpoint, access_key="key", secret_key="secret"))  # type: ignore[arg-type]  # parsed

    def start(self, command: str, job: TolerantDocument) -> "subprocess.Popen[str]":
        environment = {**os.environ, "HOMEOSTAT_INPUT": job.model_dump_json(by_alias=True)}
        argv = [sys.executable, "-m", "homeostat_pipelines", command]
        return subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def run(self, command: str, job: TolerantDocument) -> int:
        process = self.start(command, job)
        said, _ = process.communicate()
        sys.stdout.write(said)  # pytest shows it when the test fails
        return process.returncode

    def materialize(self, rows: pa.Table, number: int = 1, **changes: object) -> MaterializeResult:
        self.objects.write(f"{SOURCE}part-0.parquet", parquet(rows))
        output = f"s3://homeostat/{self.namespace}/materialize-{number}/"
        # In this process: Feast takes many seconds to import.
        materialize.run(materialize_input(namespace=self.namespace, output=output, **changes), self.objects)
        return MaterializeResult.model_validate_json(self.objects.read(f"{output}result.json"))

    def lookup(self, *keys: str) -> list[dict[str, Value] | None]:
        async def read() -> list[dict[str, Value] | None]:
            reader = FeatureReader(OnlineStoreSettings(url=self.redis_url))
            try:
                return list(await reader.lookup(self.namespace, "customers", keys))
            finally:
                await reader.close()

        return asyncio.run(read())


@pytest.fixture
def world(
    s3: dict[str, str], redis_url: str, redis: Redis, registry_url: str, monkeypatch: pytest.MonkeyPatch
) -> World:
    assert redis.ping()
    urls = {"HOMEOSTAT_ONLINE_STORE_URL": redis_url, "HOMEOSTAT_FEAST_REGISTRY_URL": registry_url}
    for name, value in {**s3, **urls}.items():
        monkeypatch.setenv(name, value)
    return World(s3, redis_url, registry_url)


def test_the_services_reader_reads_what_a_materialisation_wrote(world: World, redis: Redis) -> None:
    result = world.materialize(customers(20))
    assert result.online_rows == 20
    expected = customers(20).select(["contract", "tenure", "charge", "paperless"]).to_pylist()
    assert world.lookup("c0000", "c0007", "nobody") == [expected[0], expected[7], None]
    assert 0 < redis.ttl(f"homeostat:{world.namespace}:customers:c0000") <= 3600
    described = msgspec.msgpack.decode(redis.get(f"homeostat:{world.namespace}:customers"), type=Metadata)  # type: ignore[arg-type]  # of the synchronous client
    assert described.entity_type == "String"


def test_feast_reads_online_and_names_the_snapshot(world: World, tmp_path: Path) -> None:
    result = world.materialize(customers(20))
    assert result.snapshot is not None
    store = definitions.feature_store(
        world.namespace, world.registry_url, tmp_path, definitions.online_store(world.redis_url)
    )
    view = store.get_feature_view("customers")
    assert isinstance(view.batch_source, FileSource)
    assert view.batch_source.path == result.snapshot.uri
    assert view.ttl == timedelta(days=1)
    asked = [{"customer_id": "c0000"}, {"customer_id": "nobody"}]
    found = store.get_online_features(
        [f"customers:{n}" for n in ("contract", "tenure", "charge", "paperless")], asked
    ).to_dict()
    first = customers(20).to_pylist()[0]
    assert {name: values[0] for name, values in found.items() if name != "customer_id"} == {
        name: first[name] for name in ("contract", "tenure", "charge", "paperless")
    }
    assert found["tenure"][1] is None


def test_an_entity_that_left_the_source_keeps_its_old_ttl(world: World, redis: Redis) -> None:
    world.materialize(customers(20))
    redis.expire(f"homeostat:{world.namespace}:customers:c0019", 5)
    redis.expire(f"homeostat:{world.namespace}:customers:c0000", 5)
    world.materialize(customers(19), number=2)
    assert redis.ttl(f"homeostat:{world.namespace}:customers:c0019") <= 5
    assert redis.ttl(f"homeostat:{world.namespace}:customers:c0000") > 5


def test_appended_features_and_the_rows_from_before_are_both_readable(world: World) -> None:
    short = feature_source(features=feature_source().features[:2], schema_hash="sha256:zero")
    world.materialize(customers(20), feature_set=short)
    world.materialize(customers(10), number=2)
    before, after = world.lookup("c0019", "c0001")
    assert before is not None
    assert after is not None
    assert before["charge"] is None
    assert before["tenure"] == customers(20).column("tenure")[19].as_py()
    assert after["charge"] is not None


def test_a_blocked_materialisation_changes_neither_registry_nor_online_rows(world: World, tmp_path: Path) -> None:
    first = world.materialize(customers(20))
    blocked = world.materialize(
        customers(20, seed=5), number=2, expectations=[{"feature": "charge", "rule": "NotNull"}]
    )
    assert blocked.blocked
    assert world.lookup("c0001") == customers(20).select(["contract", "tenure", "charge", "paperless"]).to_pylist()[1:2]
    store = definitions.feature_store(world.namespace, world.registry_url, tmp_path)
    assert first.snapshot is not None
    source = store.get_feature_view("customers").batch_source
    assert isinstance(source, FileSource)
    assert source.path == first.snapshot.uri


def test_two_materialisations_at_once_into_a_new_registry_both_succeed(world: World) -> None:
    world.objects.write(f"{SOURCE}part-0.parquet", parquet(customers(20)))
    jobs = [
        materialize_input(
            namespace=world.namespace,
            output=f"s3://homeostat/{world.namespace}/both-{name}/",
            feature_set=feature_source(name=name),
        )
        for name in ("one", "two")
    ]
    running = [world.start("materialize", job) for job in jobs]
    said = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0, 0], said


def test_deleting_the_view_removes_its_rows(world: World, redis: Redis, tmp_path: Path) -> None:
    world.materialize(customers(20))
    store = definitions.feature_store(
        world.namespace, world.registry_url, tmp_path, definitions.online_store(world.redis_url)
    )
    store.apply([], objects_to_delete=[store.get_feature_view("customers")], partial=False)
    assert list(redis.scan_iter(f"homeostat:{world.namespace}:*")) == []


def by_kfp(job: TrainInput) -> None:
    """Runs the compiled package with KFP's own local runner, a process for each step."""
    chosen = bundled(COMPILED, job.pipeline)
    script = (
        "import os, sys; from kfp import components, local\n"
        "local.init(local.SubprocessRunner(use_venv=False), pipeline_root=sys.argv[2])\n"
        "components.load_component_from_file(sys.argv[1])(\n"
        "    job=os.environ['HOMEOSTAT_INPUT'], pipeline_digest=sys.argv[3], max_iter=20, learning_rate=0.2)\n"
    )
    environment = {**os.environ, "HOMEOSTAT_INPUT": job.model_dump_json(by_alias=True)}
    with tempfile.TemporaryDirectory() as scratch:
        argv = [sys.executable, "-c", script, str(COMPILED / f"{job.pipeline}.yaml"), scratch, chosen.digest]
        subprocess.run(argv, check=True, env=environment)


def test_the_local_engine_and_kfp_make_the_same_result_of_the_compiled_pipeline(world: World) -> None:
    rows = customers()
    snapshot = world.materialize(rows, feature_set=feature_source(online_ttl_seconds=None)).snapshot
    assert snapshot is not None
    world.objects.write(f"{LABELS}part-0.parquet", parquet(labels(rows, NOON)))
    outputs = [f"s3://homeostat/{world.namespace}/train-{number}/" for number in (1, 2)]
    here, there = (
        train_input(
            output=output,
            feature_sets=[feature_source(snapshot_uri=snapshot.uri, snapshot_digest=snapshot.digest)],
            parameters={"max_iter": "20", "learning_rate": "0.2"},
        )
        for output in outputs
    )
    assert world.run("train", here) == 0
    by_kfp(there)
    results = [TrainResult.model_validate_json(world.objects.read(f"{output}result.json")) for output in outputs]
    assert results[0] == results[1]
    assert results[0].metrics["auc"] > 0.6
    assert world.objects.exists(f"{results[0].model.uri}/model.onnx")
    assert [world.objects.read(f"{output}progress.json") for output in outputs] == [
        b'{"step":"test","done":2,"total":3}'
    ] * 2


def test_a_training_on_bad_labels_says_so_and_fails(world: World) -> None:
    rows = customers()
    snapshot = world.materialize(rows, feature_set=feature_source(online_ttl_seconds=None)).snapshot
    assert snapshot is not None
    uri = f"s3://homeostat/{world.namespace}/labels.parquet"
    world.objects.write(uri, parquet(labels(rows).set_column(2, "churned", pa.array(["Yes"] * 400))))
    output = f"s3://homeostat/{world.namespace}/train-1/"
    wrong = train_input().labels[0].model_copy(update={"uri": uri})
    job = train_input(output=output, labels=[wrong], feature_sets=[feature_source(snapshot_uri=snapshot.uri)])
    assert world.run("train", job) == 1
    failure = RunFailure.model_validate_json(world.objects.read(f"{output}failure.json"))
    assert failure.reason is FailureReason.INVALID_DATA
    assert "write 0 and 1" in failure.message
    assert not world.objects.exists(f"{output}result.json")
