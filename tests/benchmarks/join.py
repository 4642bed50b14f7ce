"""The point-in-time join beside DuckDB, polars, pandas.merge_asof and Feast, in CPU seconds and peak memory.

Usage: python tests/benchmarks/join.py [--large] [--rounds N]

100,000 labels of 10,000 entities x 500,000 feature rows x 10 features; --large: ten times as many of all, without Feast's default
store, which needs 13 GiB for it. Each run is a process of its own, from Parquet files to the sum of a feature; what its
imports cost stands beside it. `make bench` makes the peers' environment.
"""

import argparse
import sys
import tempfile

from support.peers import OURS, Program, compare, run

DATA = """
import numpy as np, pyarrow as pa, pyarrow.parquet as pq
begin()
rows, labels, entities = map(int, words)
draw = np.random.default_rng(1)
def table(count, **columns):
    times = pa.array(draw.integers(0, 90 * 86_400_000_000, count)).cast(pa.timestamp("us", tz="UTC"))
    keys = pa.array(draw.integers(0, entities, count)).cast(pa.string())
    return pa.table({"key": keys, "time": times, **columns}).sort_by([("key", "ascending"), ("time", "ascending")])
pq.write_table(table(rows, **{f"f{i}": draw.normal(size=rows) for i in range(10)}), folder / "features.parquet")
pq.write_table(table(labels, label=pa.array(draw.integers(0, 2, labels), pa.int8())), folder / "labels.parquet")
total = rows
"""
HOMEOSTAT = """
import pyarrow.parquet as pq, pyarrow.compute as pc
from homeostat.artifacts.dataset import LABEL, TIME
from homeostat_pipelines.data_warnings import DataWarnings
from homeostat_pipelines.join import join
from homeostat.runs import FeatureSource
begin()
class Files:
    def download(self, uri, path):
        path.symlink_to(folder / "features.parquet")
source = FeatureSource.model_validate({
    "name": "f", "entities": [{"name": "key", "type": "String"}], "timestamp_field": "time",
    "features": [{"name": f"f{i}", "type": "Float64"} for i in range(10)],
    "ttl_seconds": 864_000, "online_ttl_seconds": None, "schema_hash": "x", "snapshot_uri": "s3://b/k"})
labels = pq.read_table(folder / "labels.parquet").rename_columns(["key", TIME, LABEL])
writer, total = None, 0.0
for found in join(Files(), [source], labels, DataWarnings()):
    writer = writer or pq.ParquetWriter(folder / "answer.parquet", found.schema)
    writer.write_table(found)
    total += pc.sum(found.column("f0")).as_py()
writer.close()
"""
DUCKDB = """
import duckdb
begin()
base = duckdb.connect()
base.execute("SET threads = 1")
wanted = ", ".join(f"f.f{i}" for i in range(10))
base.execute(
    f"COPY (SELECT l.*, {wanted} FROM read_parquet('{folder}/labels.parquet') l "
    f"ASOF JOIN read_parquet('{folder}/features.parquet') f ON l.key = f.key AND l.time >= f.time "
    f"WHERE l.time - f.time <= INTERVAL 10 DAY) TO '{folder}/answer.parquet' (FORMAT parquet)"
)
(total,) = base.execute(f"SELECT sum(f0) FROM read_parquet('{folder}/answer.parquet')").fetchone()
"""
POLARS = """
import os
os.environ["POLARS_MAX_THREADS"] = "1"
import polars as pl
from datetime import timedelta
begin()
labels = pl.read_parquet(folder / "labels.parquet").sort("time")
features = pl.read_parquet(folder / "features.parquet").sort("time", maintain_order=True)
found = labels.join_asof(features, on="time", by="key", strategy="backward", tolerance=timedelta(days=10))
found.write_parquet(folder / "answer.parquet")
total = found["f0"].sum()
"""
PANDAS = """
import pandas as pd
begin()
labels = pd.read_parquet(folder / "labels.parquet").sort_values("time")
features = pd.read_parquet(folder / "features.parquet").sort_values("time", kind="stable")
found = pd.merge_asof(labels, features, on="time", by="key", tolerance=pd.Timedelta(days=10))
found.to_parquet(folder / "answer.parquet")
total = found["f0"].sum()
"""
FEAST = """
import os
os.environ["FEAST_USAGE"] = "False"
import pandas as pd, feast, tempfile
from datetime import timedelta
from feast import types
begin()
scratch = tempfile.TemporaryDirectory()
registry = {"registry_type": "sql", "path": f"sqlite:///{scratch.name}/registry.db", "cache_ttl_seconds": 0}
store = feast.FeatureStore(config=feast.RepoConfig(
    project="bench", registry=registry, provider="local", offline_store={"type": STORE}, entity_key_serialization_version=3,
    repo_path=scratch.name))
key = feast.Entity(name="key", join_keys=["key"], value_type=feast.ValueType.STRING)
view = feast.FeatureView(
    name="f", entities=[key], ttl=timedelta(days=10), online=False,
    schema=[feast.Field(name="key", dtype=types.String), *(feast.Field(name=f"f{i}", dtype=types.Float64) for i in range(10))],
    source=feast.FileSource(name="s", path=str(folder / "features.parquet"), timestamp_field="time"))
store.apply([key, view], skip_feature_view_validation=True)
labels = pd.read_parquet(folder / "labels.parquet").rename(columns={"time": "event_timestamp"})
found = store.get_historical_features(entity_df=labels, features=[f"f:f{i}" for i in range(10)]).to_df()
found.to_parquet(folder / "answer.parquet")
total = found["f0"].sum()
"""
PROGRAMS = {
    "homeostat": Program(HOMEOSTAT, OURS),
    "DuckDB ASOF": Program(DUCKDB),
    "polars join_asof": Program(POLARS),
    "pandas.merge_asof": Program(PANDAS),
    "Feast, DuckDB store": Program(FEAST.replace("STORE", '"duckdb"')),
    "Feast, default store": Program(FEAST.replace("STORE", '"dask"')),
}


def main() -> None:
    """Measure in turns and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true", help="1M labels, 5M rows, 100k entities")
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    sizes = ("5000000", "1000000", "100000") if asked.large else ("500000", "100000", "10000")
    programs = {name: one for name, one in PROGRAMS.items() if not (asked.large and name == "Feast, default store")}
    with tempfile.TemporaryDirectory() as folder:
        run(Program(DATA, OURS), folder, *sizes)
        sys.stdout.write(f"rows, labels, entities: {', '.join(sizes)}\n")
        compare(programs, asked.rounds, folder)


if __name__ == "__main__":
    main()
