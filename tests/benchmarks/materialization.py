"""A materialisation from its source's files to the snapshot, beside DuckDB's ORDER BY, and an increment of 1 % beside reading all
files again, in CPU seconds and peak memory.

Usage: python tests/benchmarks/materialization.py [--large] [--rounds N] [--folder FOLDER]

1,000,000 rows x 20 features of 100,000 entities in ten files, in no order, and a file with 1 % more; --large: ten times as many.
Each run is a process of its own that reads the files and writes one file in order of entity, time and all features; DuckDB has
one thread and 1 GiB. What imports cost stands beside it. `make bench` makes the peer's environment; --folder is where the files
lie, for example /dev/shm.
"""

import argparse
import sys
import tempfile

from support.peers import OURS, Program, compare, run

DATA = """
import numpy as np, pyarrow as pa, pyarrow.parquet as pq
begin()
rows, first, last = map(int, words)
draw = np.random.default_rng(first)
(folder / "source").mkdir(exist_ok=True)
for number in range(first, last):
    count = rows // (last - first)
    times = pa.array(draw.integers(0, 90 * 86_400_000_000, count)).cast(pa.timestamp("us", tz="UTC"))
    keys = pa.array(draw.integers(0, rows // 10, count)).cast(pa.string())
    features = {f"f{i}": draw.normal(size=count) for i in range(20)}
    pq.write_table(pa.table({"key": keys, "time": times, **features}), folder / f"source/{number:02}.parquet")
total = rows
"""
HOMEOSTAT = """
import logging, shutil, structlog, pyarrow as pa, pyarrow.parquet as pq, pyarrow.compute as pc
from homeostat.engines.objects import ObjectNotFound, StoredObject
from homeostat_pipelines import materialize
from homeostat.runs import MaterializeInput, MaterializeResult
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
begin()
class Files:
    def path(self, uri):
        return folder / uri.removeprefix("s3://b/")
    def listing(self, uri):
        return [StoredObject(f"s3://b/source/{path.name}", path.stat().st_size, str(path.stat().st_mtime_ns))
                for path in sorted(folder.glob("source/*.parquet"))]
    def download(self, uri, path):
        shutil.copy(self.path(uri), path)
    def exists(self, uri):
        return self.path(uri).exists()
    def upload(self, path, uri):
        self.path(uri).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, self.path(uri))
    def read(self, uri):
        return self.path(uri).read_bytes()
    def write(self, uri, content):
        self.path(uri).parent.mkdir(parents=True, exist_ok=True)
        self.path(uri).write_bytes(content)
materialize._publish = lambda *_: 0  # what follows has the memory of a piece, too, and needs a registry and an online store
source = {
    "name": "f", "entities": [{"name": "key", "type": "String"}], "timestamp_field": "time",
    "features": [{"name": f"f{i}", "type": "Float64"} for i in range(20)],
    "ttl_seconds": 864_000, "online_ttl_seconds": None, "schema_hash": "x"}
job = MaterializeInput.model_validate({
    "namespace": "n", "feature_set": source, "source_uri": "s3://b/source", "expectations": [],
    "snapshots": "s3://b/s/", "output": f"s3://b/{words[1]}/"})
if words[0] == "increment":
    before = MaterializeResult.model_validate_json((folder / "before/result.json").read_text())
    job = job.model_copy(update={"previous": before.snapshot})
materialize.run(job, Files())
done = MaterializeResult.model_validate_json((folder / words[1] / "result.json").read_text())
assert bool(done.source.unchanged_files) == (words[0] == "increment"), done.source
file = pq.ParquetFile(Files().path(done.snapshot.uri))
total = sum(pc.sum(file.read_row_group(group, columns=["f0"]).column(0)).as_py() for group in range(file.num_row_groups))
"""
DUCKDB = """
import duckdb
begin()
base = duckdb.connect()
base.execute(f"SET threads = 1; SET memory_limit = '1GiB'; SET temp_directory = '{folder}/spilled'")
base.execute(
    f"COPY (SELECT * FROM read_parquet('{folder}/source/*.parquet') ORDER BY ALL) "
    f"TO '{folder}/duckdb.parquet' (FORMAT parquet, COMPRESSION zstd)"
)
(total,) = base.execute(f"SELECT sum(f0) FROM read_parquet('{folder}/duckdb.parquet')").fetchone()
"""


def _with(*words: str) -> Program:
    """Ours with words of its own."""
    return Program(f"words = {list(words)}\n{HOMEOSTAT}", OURS)


def main() -> None:
    """Measure in turns and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true", help="10M rows")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", help="where the files lie")
    asked = parser.parse_args()
    rows, more = ("10000000", "100000") if asked.large else ("1000000", "10000")
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        run(Program(DATA, OURS), folder, rows, "0", "10")
        sys.stdout.write(f"rows: {rows}\n")
        compare({"homeostat": _with("full", "before"), "DuckDB ORDER BY ALL": Program(DUCKDB)}, asked.rounds, folder)
        run(Program(DATA, OURS), folder, more, "10", "11")
        sys.stdout.write(f"{more} rows more\n")
        both = {"increment": _with("increment", "after"), "all files again": _with("full", "again")}
        compare(both, asked.rounds, folder)


if __name__ == "__main__":
    main()
