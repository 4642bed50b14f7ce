"""Runs in the pipelines' environment: trains a small model as the pipeline does, and leaves its bundle in a folder.

Prints the bundle's digest and rows that were not trained on, as JSON.
"""

import json
import sys
from pathlib import Path

import pyarrow as pa

from homeostat.artifacts import storage
from homeostat.artifacts.dataset import LABEL
from homeostat.engines.objects.memory import MemoryObjects
from homeostat_pipelines import families, model
from homeostat_pipelines.signature import signature_of
from support.tables import customers, labels, rows_of, train_input

SIGNATURE = signature_of(train_input())


def main(folder: Path) -> None:
    table = customers()
    table = table.append_column(LABEL, labels(table).column("churned").cast(pa.int8()))
    files = model.train(rows_of(table), SIGNATURE, families.chosen({"max_iter": 20}), seed=42)
    objects = MemoryObjects()
    stored = storage.store(objects, "s3://homeostat/models", files)
    for uri, content in objects.content.items():
        (folder / uri.rpartition("/")[2]).write_bytes(content)
    unseen = customers(40, seed=7).select(["customer_id", *(i.name for i in SIGNATURE.inputs)])
    print(json.dumps({"digest": stored.digest, "rows": unseen.to_pylist()}))  # noqa: T201 - what the caller reads


if __name__ == "__main__":
    main(Path(sys.argv[1]))
