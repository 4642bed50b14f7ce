"""Parquet in, columns of the types that a spec promises out."""

from collections.abc import Mapping
from enum import Enum

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as pt

from homeostat.api.v1alpha1.featureset import EntityType, FeatureType
from homeostat.engines.objects import ObjectStore
from homeostat.reconcile.errors import InvalidData


class ColumnType(Enum):
    """Types that no feature has."""

    TIME = "Time"
    LABEL = "Label"


AnyType = FeatureType | EntityType | ColumnType

TIME = pa.timestamp("us", tz="UTC")
ARROW: dict[str, pa.DataType] = {
    "String": pa.string(),
    "Int64": pa.int64(),
    "Float64": pa.float64(),
    "Bool": pa.bool_(),
    "Time": TIME,
    "Label": pa.int8(),
}
_REMEDY = {
    "String": "write it as text, or declare the type that it has",
    "Int64": "write whole numbers, or declare Float64",
    "Float64": "write numbers, or declare String",
    "Bool": "write booleans, or declare the type that it has",
    "Time": "write timestamps",
    "Label": "write 0 and 1, or booleans",
}


def parquet_uris(objects: ObjectStore, uri: str) -> list[str]:
    """The Parquet file that a URI names, or those under it as a prefix; perhaps none."""
    listed = objects.list(uri)
    if uri in listed:
        return [uri]
    below = f"{uri.rstrip('/')}/"
    return [item for item in listed if item.startswith(below) and item.endswith(".parquet")]


def read(objects: ObjectStore, uris: list[str], wanted: Mapping[str, AnyType]) -> pa.Table:
    """Columns of all files, of one type each.

    Raises:
        InvalidData: A file is not Parquet, or a column is missing or of another type.
    """
    parts = [_conformed(uri, objects.read(uri), wanted) for uri in uris]
    empty = pa.table({name: pa.array([], ARROW[kind.value]) for name, kind in wanted.items()})
    return pa.concat_tables([empty, *parts]).combine_chunks()


def _conformed(uri: str, content: bytes, wanted: Mapping[str, AnyType]) -> pa.Table:
    try:
        file = pq.ParquetFile(pa.BufferReader(content))
        names = file.schema_arrow.names
        for name, kind in wanted.items():
            if name not in names:
                raise InvalidData(
                    f"{uri} has no column {name!r} (expected: {kind.value}); it has {', '.join(names)}; "
                    "add the column or correct the spec"
                )
        table = file.read(columns=list(wanted))
    except pa.ArrowInvalid as error:
        raise InvalidData(f"{uri} is not a readable Parquet file ({error}); write it again") from error
    return pa.table({name: _column(uri, name, table.column(name), kind.value) for name, kind in wanted.items()})


def _column(uri: str, name: str, column: pa.ChunkedArray, kind: str) -> pa.ChunkedArray:
    """The column as its canonical type; NaN becomes null and -0.0 becomes 0.0, so that equal values are the same."""
    if pt.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pt.is_null(column.type):
        return column.cast(ARROW[kind])
    if not _fits(column.type, kind):
        raise InvalidData(_sentence(uri, name, str(column.type), kind))
    if pt.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), pc.add(column, pa.scalar(0, column.type)))
    try:
        # Finer times are cut to microseconds, which is what Feast keeps.
        return column.cast(ARROW[kind], safe=kind != "Time")
    except pa.ArrowInvalid as error:
        raise InvalidData(_sentence(uri, name, f"{column.type} ({error})", kind)) from error


def _fits(found: pa.DataType, kind: str) -> bool:
    match kind:
        case "String":
            return bool(pt.is_string(found) or pt.is_large_string(found) or pt.is_string_view(found))
        case "Int64":
            # pandas writes whole numbers with gaps as floats; the cast refuses fractions.
            return bool(pt.is_integer(found) or pt.is_floating(found))
        case "Float64":
            return bool(pt.is_integer(found) or pt.is_floating(found) or pt.is_decimal(found))
        case "Bool":
            return bool(pt.is_boolean(found))
        case "Label":
            return bool(pt.is_boolean(found) or pt.is_integer(found) or pt.is_floating(found))
        case _:
            return bool(pt.is_timestamp(found) or pt.is_date(found))


def _sentence(uri: str, name: str, found: str, kind: str) -> str:
    return f"column {name!r} of {uri} is {found}, expected {kind}; {_REMEDY[kind]}"
