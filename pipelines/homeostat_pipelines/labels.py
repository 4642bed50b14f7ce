"""Labels: a union of sources, of which the newest label of each entity is taken, or one of each time."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc
import structlog

from homeostat.api.v1alpha1.dataset import RowsPerEntity
from homeostat.api.v1alpha1.featureset import Entity, EntityType, Feature, FeatureType
from homeostat.artifacts import outcomes
from homeostat.artifacts.dataset import LABEL, TIME
from homeostat.engines.objects import ObjectStore
from homeostat.reconcile.errors import InvalidData
from homeostat.runs import LabelInput
from homeostat.values import INTEGER_LIMIT
from homeostat_pipelines import columns
from homeostat_pipelines.data_warnings import DataWarnings
from homeostat_pipelines.labelling import Labelling
from homeostat_pipelines.values import ARROW, ColumnType
from homeostat_pipelines.values import TIME as TIMES

log = structlog.get_logger()


def union(
    objects: ObjectStore,
    sources: Sequence[LabelInput],
    entity: Entity,
    warnings: DataWarnings,
    since: datetime | None = None,
    labelling: Labelling = Labelling(),  # noqa: B008 - immutable
    taken: RowsPerEntity = RowsPerEntity.NEWEST,
    further: Sequence[Entity | Feature] = (),
) -> pa.Table:
    """Rows (entity, TIME, LABEL, further), sorted by entity and time: one per entity, or one per entity and time.

    Args:
        objects: Where the sources lie.
        sources: A prefix without files is an empty source: outcomes come with time.
        entity: Name and type of the key in the answer.
        warnings: Receives what is left out.
        since: Labels of earlier predictions are left out.
        labelling: What the labels are.
        taken: Which labels of an entity.
        further: Columns of the sources that are keys of other entities, or features.

    Raises:
        InvalidData: A label is none of the task, or there is no label at all.
    """
    tables = [_source(objects, source, entity, labelling, warnings, further) for source in sources]
    table = pa.concat_tables(labelling.conformed(tables))
    if since is not None:
        table = table.filter(pc.greater_equal(table.column(TIME), pa.scalar(since, TIMES)))
    if table.num_rows == 0:
        window = "" if since is None else f" since {since:%Y-%m-%d %H:%M:%S} UTC (spec.dataset.window)"
        raise InvalidData(
            f"there is no label{window} in {', '.join(map(_named, sources))}; wait for labels or add a source"
        )
    # The order is stable, so that of two labels of one time the one of the later source wins.
    order = pc.sort_indices(table, sort_keys=[(entity.name, "ascending"), (TIME, "ascending")])
    ordered = table.select([entity.name, TIME]).take(order)
    last = _differs_from_next(ordered.column(entity.name))
    why = "a newer one"
    if taken is RowsPerEntity.ALL:
        last = pc.or_(last, _differs_from_next(ordered.column(TIME)))
        why = "another one of the same time"
    kept = table.take(order.filter(last)).combine_chunks()
    log.info("labels read", rows=table.num_rows, kept=kept.num_rows)
    text = f"Labels left out because their entity has {why}: {{count}} of {table.num_rows:,}."
    warnings.add(text, table.num_rows - kept.num_rows)
    return kept


def _differs_from_next(column: pa.ChunkedArray) -> pa.Array:
    """Whether the value after each is another one, or there is none."""
    values = column.combine_chunks()
    return pa.concat_arrays([pc.not_equal(values.slice(0, len(values) - 1), values.slice(1)), pa.array([True])])


def window_start(seconds: int | None, now: datetime) -> datetime | None:
    """Time of the oldest label used."""
    return None if seconds is None else now - timedelta(seconds=seconds)


def _source(
    objects: ObjectStore,
    source: LabelInput,
    entity: Entity,
    labelling: Labelling,
    warnings: DataWarnings,
    further: Sequence[Entity | Feature],
) -> pa.Table:
    uris = columns.parquet_uris(objects, source.uri)
    if not uris and source.uri.endswith(".parquet"):
        raise InvalidData(f"label source {source.uri} does not exist; write it or correct spec.dataset.labels")
    if not uris:
        warnings.add(f"Label sources without Parquet files: {{count}} ({source.uri}).", 1)
    # Observers export keys as text, whatever their type.
    exported = (source.entity_field, source.timestamp_field, source.field) == outcomes.LABEL_COLUMNS
    kind = EntityType.STRING if exported else entity.type
    wanted: dict[str, FeatureType | EntityType | ColumnType] = {
        source.entity_field: kind,
        source.timestamp_field: ColumnType.TIME,
        source.field: labelling.column(exported=exported),
    }
    if len(wanted) < 3:
        raise InvalidData(
            f"labels in {source.uri} need three columns for entity, time and label, not {source.entity_field}, "
            f"{source.timestamp_field}, {source.field}; correct spec.dataset.labels"
        )
    others: dict[str, FeatureType | EntityType | ColumnType] = {each.name: each.type for each in further}
    if taken := others.keys() & wanted.keys():
        raise InvalidData(
            f"column {min(taken)!r} of {source.uri} is entity, time or label, and not another entity or one of "
            "spec.dataset.requestFeatures as well; name another column"
        )
    table = columns.read(objects, uris, wanted | others, warnings)
    table = _within(table.rename_columns([entity.name, TIME, LABEL, *others]), source)
    keys = [each.name for each in further if isinstance(each, Entity)]
    complete = table.filter(_complete(table.select([entity.name, TIME, LABEL, *keys])))
    text = f"Labels in {source.uri} left out because entity, time or value is missing: {{count}}."
    warnings.add(text, table.num_rows - complete.num_rows)
    if exported and entity.type is EntityType.INT64:
        return _with_whole_keys(complete, entity.name, source.uri, warnings)
    return complete


def _within(table: pa.Table, source: LabelInput) -> pa.Table:
    """The rows of the times that the spec names for this source; those without a time are counted later."""
    times = table.column(TIME)
    if source.since is not None:
        table = table.filter(_unless(pc.less(times, pa.scalar(source.since, TIMES))))
        times = table.column(TIME)
    if source.until is not None:
        table = table.filter(_unless(pc.greater_equal(times, pa.scalar(source.until, TIMES))))
    return table


def _unless(wrong: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.invert(pc.fill_null(wrong, False))


def _complete(table: pa.Table) -> pa.ChunkedArray:
    """Rows without a missing value."""
    first, *others = (pc.is_valid(column) for column in table.columns)
    return reduce(pc.and_, others, first)


def _named(source: LabelInput) -> str:
    """A source with its times, as a message names it."""
    limits = [("from", source.since), ("to", source.until)]
    return " ".join([source.uri, *(f"{word} {moment:%Y-%m-%d %H:%M:%S}" for word, moment in limits if moment)])


def _with_whole_keys(table: pa.Table, name: str, uri: str, warnings: DataWarnings) -> pa.Table:
    """The rows of an export whose key is an integer; a predictor without the type of the key took any text."""
    keys = table.column(name)
    usable = pc.match_substring_regex(keys, r"^(0|-?[1-9][0-9]{0,18})$")
    # Of 19 digits some are beyond 64 bits, and a cast would then refuse the whole column.
    beyond = pc.or_(_longer(keys, str(-INTEGER_LIMIT)), _longer(keys, str(INTEGER_LIMIT - 1)))
    usable = pc.and_not(usable, beyond)
    if count := len(keys) - (pc.sum(usable).as_py() or 0):
        example = keys[pc.index(usable, value=False).as_py()].as_py()
        text = f"Labels in {uri} left out because their entity id is not an Int64, such as {example!r}: {{count}}."
        warnings.add(text, count)
    kept = table.filter(usable)
    return kept.set_column(0, name, kept.column(name).cast(ARROW["Int64"]))


def _longer(keys: pa.ChunkedArray, bound: str) -> pa.ChunkedArray:
    """Numbers as text that are of the bound's length and sign, and beyond it."""
    comparable = pc.and_(
        pc.equal(pc.utf8_length(keys), len(bound)), pc.equal(pc.starts_with(keys, "-"), bound[0] == "-")
    )
    return pc.and_(comparable, pc.greater(keys, bound))
