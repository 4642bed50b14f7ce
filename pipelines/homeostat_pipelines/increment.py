"""Which files of a source a materialisation reads: those that are new since the snapshot in service was made.

Beside a snapshot lies the record of the files that its rows came from. Where these are still there and unchanged, rows of the other
files are merged into the snapshot, and the answer is what reading all files would give. Otherwise all are read, which also
repairs whatever went wrong before. The record is written before the result that brings a snapshot into service; a run that
ends in between leaves a true record behind, and the next one starts from the snapshot that is in service.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import pyarrow as pa
import structlog
from pydantic import ValidationError

from homeostat.artifacts.bundle import canonical, digest_of
from homeostat.artifacts.layout import source_files_uri
from homeostat.documents import TolerantDocument
from homeostat.engines.objects import Listing, ObjectNotFound, ObjectStore
from homeostat.runs import MaterializeInput, SnapshotRecord
from homeostat_pipelines import snapshots
from homeostat_pipelines.pieces import streamed

log = structlog.get_logger()

_RULES = 1
"""Goes up when the same file comes to mean other rows: then all files are read again."""

_BATCH = 2**14
"""Rows of the previous snapshot that are in memory at a time."""


class SourceFiles(TolerantDocument):
    """The record of the files that a snapshot was made of."""

    reading: str
    files: dict[str, tuple[int, str]]
    """Size and etag by URI."""
    warnings: dict[str, int]
    """What was counted while the files were read."""


class Reading(NamedTuple):
    """What is read of a source."""

    files: list[str]
    unchanged: int = 0
    """Files that are not read."""
    warnings: Mapping[str, int] = MappingProxyType({})
    """What was counted when these were read."""
    previous: Path | None = None
    """The snapshot that has their rows."""
    full_read_reason: str = ""
    """Why there are none."""


class ReadAll(Exception):  # noqa: N818 - a decision
    """All files are to be read; the text says why."""


def planned(job: MaterializeInput, objects: ObjectStore, files: Listing, folder: Path) -> Reading:
    """What is read of these files; fetches the previous snapshot into a folder where its rows are still right."""
    try:
        record = _record(job, objects)
        _check_unchanged(record, files)
        path = folder / "previous.parquet"
        _fetch(objects, job.previous, path)
    except ReadAll as why:
        return read_all(files, str(why))
    new = [found.uri for found in files if found.uri not in record.files]
    return Reading(new, len(record.files), record.warnings, path)


def read_all(files: Listing, why: str) -> Reading:
    """All files, for a reason."""
    log.info("all files of the source are read", why=why, files=len(files))
    return Reading([found.uri for found in files], full_read_reason=why)


def _record(job: MaterializeInput, objects: ObjectStore) -> SourceFiles:
    if job.full:
        raise ReadAll("that was requested")
    if job.previous is None:
        raise ReadAll("there was no snapshot")
    try:
        record = SourceFiles.model_validate_json(objects.read(source_files_uri(job.previous.uri)))
    except (ObjectNotFound, ValidationError):
        raise ReadAll("the files of the previous snapshot are not recorded") from None
    if record.reading != _reading(job):
        raise ReadAll("the source or the columns in spec are other ones")
    return record


def _check_unchanged(record: SourceFiles, files: Listing) -> None:
    found = {each.uri: (each.size, each.etag) for each in files}
    for uri, known in record.files.items():
        if uri not in found:
            raise ReadAll(f"{uri} is gone")
        if found[uri] != known or not known[1]:
            raise ReadAll(f"{uri} has changed")


def _fetch(objects: ObjectStore, previous: SnapshotRecord | None, path: Path) -> None:
    try:
        objects.download("" if previous is None else previous.uri, path)
    except ObjectNotFound:
        raise ReadAll("the previous snapshot is gone") from None


def known_rows(
    reading: Reading, expected: SnapshotRecord | None, seen: Callable[[pa.Table], None]
) -> Iterator[pa.RecordBatch]:
    """The rows of the previous snapshot in their order; none where all files are read.

    Args:
        reading: What is read of the source.
        expected: The previous snapshot as it was stored.
        seen: Is called with the rows, too.

    Raises:
        ReadAll: At the end, if the rows are not those that were stored.
    """
    if reading.previous is None or expected is None:
        return
    with streamed(reading.previous) as file:
        digest = snapshots.ContentDigest(file.schema_arrow)
        for batch in file.iter_batches(_BATCH):
            table = pa.Table.from_batches([batch])
            digest.add(table)
            seen(table)
            yield batch
    if digest.value() != expected.digest:
        raise ReadAll("the previous snapshot was changed after it was written")


def record(
    job: MaterializeInput, objects: ObjectStore, snapshot: SnapshotRecord, files: Listing, warnings: dict[str, int]
) -> None:
    """Records beside a snapshot which files it was made of."""
    made_of = {found.uri: (found.size, found.etag) for found in files}
    document = SourceFiles(reading=_reading(job), files=made_of, warnings=warnings)
    objects.write(source_files_uri(snapshot.uri), document.model_dump_json(by_alias=True).encode())


def _reading(job: MaterializeInput) -> str:
    """Hash of what decides which rows a file means."""
    wanted = [[name, kind.value] for name, kind in snapshots.wanted_columns(job.feature_set).items()]
    return digest_of(canonical({"rules": _RULES, "source": job.source_uri, "columns": wanted}))
