"""The point-in-time join beside pandas.merge_asof and Feast's default store, in CPU seconds.

Usage: python tests/benchmarks/join.py [--large]

100,000 labels of 10,000 entities x 500,000 feature rows x 10 features, 3 interleaved rounds; --large: ten times as many of all,
without Feast, which needs 13 GiB for it. Each run is a process of its own; what its imports cost stands beside the join.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[2]
PYTHON = REPOSITORY / ".venv" / "pipelines" / "bin" / "python"
ROUNDS = 3

SETUP = """
import sys, json, resource, warnings
import pandas  # pyarrow imports it with the first NumPy array, in the middle of the join
warnings.filterwarnings("ignore")
from pathlib import Path
folder = Path(sys.argv[1])
"""
END = """
usage = resource.getrusage(resource.RUSAGE_SELF)
cpu = usage.ru_utime + usage.ru_stime
print(json.dumps({"cpu": cpu - imported, "imports": imported, "peak": usage.ru_maxrss / 1024, "sum": total}))
"""
DATA = """
import numpy as np, pyarrow as pa, pyarrow.parquet as pq
rows, labels, entities = map(int, sys.argv[2:5])
draw = np.random.default_rng(1)
def table(count, **columns):
    times = pa.array(draw.integers(0, 90 * 86_400_000_000, count)).cast(pa.timestamp("us", tz="UTC"))
    keys = pa.array(draw.integers(0, entities, count)).cast(pa.string())
    return pa.table({"key": keys, "time": times, **columns})
features = table(rows, **{f"f{i}": draw.normal(size=rows) for i in range(10)}).sort_by([("key", "ascending"), ("time", "ascending")])
pq.write_table(features, folder / "features.parquet")
asked = table(labels, label=pa.array(draw.integers(0, 2, labels), pa.int8())).sort_by([("key", "ascending"), ("time", "ascending")])
pq.write_table(asked, folder / "labels.parquet")
"""
OURS = """
import pyarrow as pa, pyarrow.parquet as pq, pyarrow.compute as pc
from homeostat.artifacts.dataset import LABEL, TIME
from homeostat_pipelines.data_warnings import DataWarnings
from homeostat_pipelines.join import join
from homeostat.runs import FeatureSource
IMPORTED
class Files:
    def download(self, uri, path):
        path.symlink_to(folder / "features.parquet")
source = FeatureSource.model_validate({
    "name": "f", "entities": [{"name": "key", "type": "String"}], "timestamp_field": "time",
    "features": [{"name": f"f{i}", "type": "Float64"} for i in range(10)],
    "ttl_seconds": 864_000, "online_ttl_seconds": None, "schema_hash": "x", "snapshot_uri": "s3://b/k"})
labels = pq.read_table(folder / "labels.parquet").rename_columns(["key", TIME, LABEL])
found = pa.concat_tables(join(Files(), [source], labels, DataWarnings()))
total = round(float(pc.sum(found.column("f0")).as_py()), 6)
"""
IMPORTED = """
usage = resource.getrusage(resource.RUSAGE_SELF)
imported = usage.ru_utime + usage.ru_stime
"""
PANDAS = """
import pandas as pd
IMPORTED
labels = pd.read_parquet(folder / "labels.parquet").sort_values("time")
features = pd.read_parquet(folder / "features.parquet").sort_values("time", kind="stable")
found = pd.merge_asof(labels, features, on="time", by="key", tolerance=pd.Timedelta(days=10))
total = round(float(found["f0"].sum()), 6)
"""
FEAST = """
import pandas as pd
from homeostat_pipelines import definitions
from homeostat.runs import FeatureSource
IMPORTED
source = FeatureSource.model_validate({
    "name": "f", "entities": [{"name": "key", "type": "String"}], "timestamp_field": "time",
    "features": [{"name": f"f{i}", "type": "Float64"} for i in range(10)],
    "ttl_seconds": 864_000, "online_ttl_seconds": None, "schema_hash": "x", "snapshot_uri": "s3://b/k"})
registry = f"sqlite:///{folder / 'registry.db'}"
store = definitions.feature_store("bench", registry, folder)
store.apply([definitions.entity_of(source), definitions.view_of(source, str(folder / "features.parquet"))],
            skip_feature_view_validation=True)
labels = pd.read_parquet(folder / "labels.parquet").rename(columns={"time": "event_timestamp"})
found = store.get_historical_features(entity_df=labels, features=[f"f:f{i}" for i in range(10)]).to_df()
total = round(float(found["f0"].sum()), 6)
"""


def run(code: str, *words: str) -> dict[str, float]:
    done = subprocess.run([str(PYTHON), "-c", code, *words], check=True, capture_output=True, text=True, cwd=REPOSITORY)
    return dict(json.loads(done.stdout.splitlines()[-1])) if done.stdout.strip() else {}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true", help="1M labels, 5M rows, 100k entities")
    large = parser.parse_args().large
    sizes = ("5000000", "1000000", "100000") if large else ("500000", "100000", "10000")
    peers = {"homeostat": OURS, "pandas.merge_asof": PANDAS} | ({} if large else {"feast, default store": FEAST})
    figures: dict[str, list[dict[str, float]]] = {name: [] for name in peers}
    with tempfile.TemporaryDirectory() as folder:
        run(SETUP + DATA, folder, *sizes)
        for number in range(ROUNDS):
            names = list(peers)[number % len(peers) :] + list(peers)[: number % len(peers)]
            for name in names:
                figures[name].append(run(SETUP + peers[name].replace("IMPORTED", IMPORTED) + END, folder))
    sums = {round(figure["sum"], 3) for each in figures.values() for figure in each}
    sys.stdout.write(f"rows, labels, entities: {', '.join(sizes)}; all agree: {len(sums) == 1}\n")
    for name, each in figures.items():
        cpu = [figure["cpu"] for figure in each]
        ratios = sorted(c / figure["cpu"] for c, figure in zip(cpu, figures["homeostat"], strict=True))
        imports = np.median([figure["imports"] for figure in each])
        sys.stdout.write(
            f"{name:22} {np.median(cpu):7.2f} CPU s after {imports:.2f} for imports, peak {max(f['peak'] for f in each):6.0f} MiB; "
            f"CPU over homeostat {np.median(ratios):5.1f} ({ratios[0]:.1f} to {ratios[-1]:.1f})\n"
        )


if __name__ == "__main__":
    main()
