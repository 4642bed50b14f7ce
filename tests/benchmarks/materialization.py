"""A materialisation from its source's files to the snapshot, beside DuckDB's ORDER BY, in CPU seconds and peak memory.

Usage: python tests/benchmarks/materialization.py [--large] [--rounds N] [--folder FOLDER]

1,000,000 rows x 20 features of 100,000 entities in ten files, in no order; --large: ten times as many. Each run is a process of
its own that reads the files and writes one file in order of entity, time and all features; DuckDB has one thread and 1 GiB. What
imports cost stands beside it. `make bench` makes the peer's environment; --folder is where the files lie, for example /dev/shm.
"""

import argparse
import sys
import tempfile

from support.peers import OURS, Program, compare, run

DATA = """
import numpy as np, pyarrow as pa, pyarrow.parquet as pq
begin()
(rows,) = map(int, words)
draw = np.random.default_rng(1)
for number in range(10):
    count = rows // 10
    times = pa.array(draw.integers(0, 90 * 86_400_000_000, count)).cast(pa.timestamp("us", tz="UTC"))
    keys = pa.array(draw.integers(0, rows // 10, count)).cast(pa.string())
    features = {f"f{i}": draw.normal(size=count) for i in range(20)}
    pq.write_table(pa.table({"key": keys, "time": times, **features}), folder / f"source-{number}.parquet")
total = rows
"""
HOMEOSTAT = """
import logging, shutil, structlog, pyarrow as pa, pyarrow.parquet as pq, pyarrow.compute as pc
from homeostat_pipelines import materialize
from homeostat.runs import MaterializeInput
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
begin()
class Files:
    def list(self, uri):
        return sorted(f"s3://b/source/{path.name}" for path in folder.glob("source-*.parquet"))
    def download(self, uri, path):
        shutil.copy(folder / uri.rpartition("/")[2], path)
    def exists(self, uri):
        return False
    def upload(self, path, uri):
        shutil.copy(path, folder / "homeostat.parquet")
    def write(self, uri, content):
        pass
materialize._publish = lambda *_: 0  # what follows has the memory of a piece, too, and needs a registry and an online store
source = {
    "name": "f", "entities": [{"name": "key", "type": "String"}], "timestamp_field": "time",
    "features": [{"name": f"f{i}", "type": "Float64"} for i in range(20)],
    "ttl_seconds": 864_000, "online_ttl_seconds": None, "schema_hash": "x"}
materialize.run(MaterializeInput.model_validate({
    "namespace": "n", "feature_set": source, "source_uri": "s3://b/source", "expectations": [],
    "snapshots": "s3://b/s/", "output": "s3://b/o/"}), Files())
file = pq.ParquetFile(folder / "homeostat.parquet")
total = sum(pc.sum(file.read_row_group(group, columns=["f0"]).column(0)).as_py() for group in range(file.num_row_groups))
"""
DUCKDB = """
import duckdb
begin()
base = duckdb.connect()
base.execute(f"SET threads = 1; SET memory_limit = '1GiB'; SET temp_directory = '{folder}/spilled'")
base.execute(
    f"COPY (SELECT * FROM read_parquet('{folder}/source-*.parquet') ORDER BY ALL) "
    f"TO '{folder}/duckdb.parquet' (FORMAT parquet, COMPRESSION zstd)"
)
(total,) = base.execute(f"SELECT sum(f0) FROM read_parquet('{folder}/duckdb.parquet')").fetchone()
"""


def main() -> None:
    """Measure in turns and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true", help="10M rows")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", help="where the files lie")
    asked = parser.parse_args()
    rows = "10000000" if asked.large else "1000000"
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        run(Program(DATA, OURS), folder, rows)
        sys.stdout.write(f"rows: {rows}\n")
        compare({"homeostat": Program(HOMEOSTAT, OURS), "DuckDB ORDER BY ALL": Program(DUCKDB)}, asked.rounds, folder)


if __name__ == "__main__":
    main()
