"""Datasets: labels joined with features, split into rows to train on and rows that no version ever trains on."""

import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import structlog
from numpy.typing import NDArray

from homeostat.api.common import truncated
from homeostat.artifacts.bundle import BundleRef
from homeostat.artifacts.dataset import HOLDOUT, LABEL, TIME, TRAIN
from homeostat.artifacts.holdout import Holdout
from homeostat.artifacts.signature import Datatype, Signature
from homeostat.artifacts.storage import fetch_file, store
from homeostat.engines.objects import ObjectStore
from homeostat.reconcile.errors import InvalidData
from homeostat.runs import StoredDataset, TrainInput
from homeostat.tasks import LabelType, Task
from homeostat.values import distinct
from homeostat_pipelines import families, labels, memory
from homeostat_pipelines.data_warnings import NAME_LIMIT, NAMED, DataWarnings
from homeostat_pipelines.join import join
from homeostat_pipelines.labelling import Labelling
from homeostat_pipelines.pieces import Rows
from homeostat_pipelines.signature import entities_of, signature_of

LEAST_TRAIN, LEAST_HOLDOUT = 50, 10
"""Fewer rows than these make no model, and no judgement of one."""

LEAST_DAYS = 10
"""Of fewer days the variance of what they share is not known."""

LEAST_OF_CLASS = 5
"""A class of fewer rows to train on is hardly learnt."""

MERGED_SHARE = 0.01
"""Share of a feature's different values that may be equal in single precision before a warning says so."""

log = structlog.get_logger()


def split(table: pa.Table, model: str, entity: str, holdout: Holdout) -> tuple[pa.Table, pa.Table]:
    """Rows to train on, and the holdout."""
    mask = pa.array(
        holdout.unseen(
            model,
            lambda: table.column(entity).to_pylist(),
            lambda: table.column(TIME).to_numpy(),
            lambda: table.column(holdout.group_by).to_pylist(),
        )
    )
    return table.filter(pc.invert(mask)), table.filter(mask)


def clusters(of: Signature, column: Callable[[str], pa.ChunkedArray]) -> NDArray[np.int64]:
    """A number for each row of a holdout, equal for rows that are not independent: of one entity, one group, or one day.

    Rows of one day share what happened that day; a holdout by time of fewer days than are needed for a variance is by entity.
    """
    held = of.held or Holdout()
    by = column(held.group_by) if held.group_by else column(of.entity)
    if held.since is not None:
        days = pc.floor_temporal(column(TIME), unit="day")
        by = days if len(days.unique()) >= LEAST_DAYS else by
    return np.asarray(by.combine_chunks().dictionary_encode().indices.to_numpy(), dtype=np.int64)


def build(job: TrainInput, objects: ObjectStore) -> StoredDataset:
    """Makes and stores the dataset of a training.

    Raises:
        InvalidData: The data cannot make or judge a model; the text says what is missing.
    """
    signature = signature_of(job)
    since = labels.window_start(job.window_seconds, datetime.now(UTC))
    warnings = DataWarnings()
    labelling = Labelling.of(job)
    entity, *others = entities_of(job)
    labelled = labels.union(
        objects,
        job.labels,
        entity,
        warnings,
        since,
        labelling,
        job.rows_per_entity,
        [*others, *job.request_features],
    )

    family = families.named(job.parameters)
    holdout_of = _holdout(job.held, signature, labelled, warnings)

    def admit(rows: int) -> None:
        # A text is at least one column; how many categories it has is known when the training reads it.
        trained_on = 100 if holdout_of.refits else 100 - (holdout_of.percent or 0)
        memory.check_training(rows * trained_on // 100, len(signature.inputs), family)

    joined = join(objects, job.feature_sets, labelled, warnings, admit)
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: Path(folder) / name for name in (TRAIN, HOLDOUT)}
        watermark = _write(joined, paths, signature, holdout_of)
        train, holdout = (Rows(path) for path in paths.values())
        for name, rows, least in (("training", train, LEAST_TRAIN), ("holdout", holdout, LEAST_HOLDOUT)):
            _check(signature.predicts, name, rows, least)
        _warn(train, signature, warnings)
        _warn_of_classes(signature.predicts, train, holdout, warnings)
        stored = store(objects, job.datasets, paths)
    log.info("dataset stored", uri=stored.uri, rows=train.num_rows, holdout=holdout.num_rows)
    return StoredDataset(
        uri=stored.uri,
        digest=stored.digest,
        rows=train.num_rows,
        holdout_rows=holdout.num_rows,
        watermark=watermark,
        holdout=holdout_of,
        warnings=warnings.listed(),
    )


def _holdout(stated: Holdout, signature: Signature, labelled: pa.Table, warnings: DataWarnings) -> Holdout:
    """How the holdout is chosen, with what only the labels tell.

    Raises:
        InvalidData: It is grouped by something that is no feature.
    """
    names = [i.name for i in signature.inputs]
    if stated.group_by and stated.group_by not in names:
        raise InvalidData(
            f"spec.dataset.holdout.groupBy names {stated.group_by!r}, which is no feature of the dataset; "
            f"it has {', '.join(names)}"
        )
    times = labelled.column(TIME).to_numpy()
    found = stated.resolved(times)
    if stated == Holdout() and found.since is not None:
        text = f"No holdout is stated: the labels from {found.since:%Y-%m-%d %H:%M:%S} UTC on judge the model, {{count}} of them."
        warnings.add(text, int((times >= np.datetime64(found.since.replace(tzinfo=None), "us")).sum()))
    elif stated == Holdout():
        text = "No holdout is stated, and the labels have no order in time: {count} % of the entities judge the model."
        warnings.add(text, found.percent or 0)
    return found


def _write(tables: Iterable[pa.Table], paths: dict[str, Path], signature: Signature, holdout: Holdout) -> datetime:
    """Writes the rows to train on and the holdout into files; the time of the newest row."""
    newest: list[datetime] = []
    with ExitStack() as opened:
        writers: dict[str, pq.ParquetWriter] = {}
        for table in tables:
            if not writers:
                for name, path in paths.items():
                    writer = pq.ParquetWriter(path, table.schema, compression="zstd")
                    writers[name] = opened.enter_context(writer)
            parts = split(table, signature.model, signature.entity, holdout)
            for name, part in zip(paths, parts, strict=True):
                writers[name].write_table(part)
            if table.num_rows:
                newest.append(pc.max(table.column(TIME)).as_py())
    return max(newest)


def _warn(train: Rows, signature: Signature, warnings: DataWarnings) -> None:
    """Says what a model cannot learn from these rows."""
    for each in signature.inputs:
        column = train.column(each.name).drop_null()
        if len(column) == 0:
            warnings.add(
                f"Feature {each.name!r} is not trained on: its values are missing in all {{count}} rows.",
                train.num_rows,
            )
        elif each.datatype in {Datatype.INT64, Datatype.FP64}:
            _warn_of_merged(f"Feature {each.name!r} has", column, warnings)
    if signature.predicts.label_type is LabelType.NUMBER:
        _warn_of_merged("The label has", train.column(LABEL), warnings)


def _warn_of_merged(subject: str, numbers: pa.ChunkedArray, warnings: DataWarnings) -> None:
    values, distinguishable = distinct(numbers.to_numpy())
    if values - distinguishable > MERGED_SHARE * values:
        warnings.add(
            f"{subject} {values:,} different values, of which a model, which computes in single precision, can tell apart only "
            "{count}; subtract an offset or divide it.",
            distinguishable,
        )


def read(objects: ObjectStore, stored: BundleRef, name: str) -> pa.Table:
    """A part of a stored dataset, checked against its digest."""
    with opened(objects, stored, name) as rows:
        return rows.read()


@contextmanager
def opened(objects: ObjectStore, stored: BundleRef, name: str) -> Iterator[Rows]:
    """A part of a stored dataset as a file of this process, checked against its digest."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        fetch_file(objects, stored, name, path)
        yield Rows(path)


def _check(task: Task, name: str, table: Rows, least: int) -> None:
    if table.num_rows < least:
        raise InvalidData(
            f"the {name} part has {table.num_rows} labelled rows with features, at least {least} are required; "
            "wait for more labels, widen spec.dataset.window or change spec.dataset.holdout"
        )
    labels = table.column(LABEL).to_numpy()
    if why := task.unlearnable(labels):
        raise InvalidData(f"all {table.num_rows} rows of the {name} part {why}")
    try:
        task.fit(labels)
    except ValueError as error:
        raise InvalidData(f"the {name} part cannot be used: {error}") from error


def _warn_of_classes(task: Task, train: Rows, holdout: Rows, warnings: DataWarnings) -> None:
    """Says which classes are hardly learnt, and which are not at all."""
    if task.label_type is not LabelType.CLASS:
        return
    learnt, judged = (_rows_by_class(part) for part in (train, holdout))
    rare = [name for name, rows in learnt.items() if rows < LEAST_OF_CLASS]
    text = f"Classes with fewer than {LEAST_OF_CLASS} rows in the training part, hardly learnt: {{count}} ({_listed(rare)})."
    warnings.add(text, len(rare))
    unknown = [name for name in judged if name not in learnt]
    text = f"Rows of the holdout whose class the training part does not have, which count as errors: {{count}} ({_listed(unknown)})."
    warnings.add(text, sum(judged[name] for name in unknown))


def _rows_by_class(rows: Rows) -> dict[str, int]:
    counts = rows.column(LABEL).value_counts()
    return {one["values"]: one["counts"] for one in sorted(counts.to_pylist(), key=lambda one: str(one["values"]))}


def _listed(names: list[str]) -> str:
    more = [f"{len(names) - NAMED:,} more"] if len(names) > NAMED else []
    return ", ".join([*(repr(truncated(name, NAME_LIMIT)) for name in names[:NAMED]), *more])
