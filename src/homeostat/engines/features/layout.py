"""How features lie in Redis or Valkey.

======================================================  =====================================================
``homeostat:<namespace>:<feature set>``                  MessagePack of `Metadata`
``homeostat:<namespace>:<feature set>:<entity key>``     MessagePack of `Row`, expires after the online ttl
======================================================  =====================================================

The entity key is text as it is. A row holds values only, in the order of the schema it was written under. Features are
append-only, so that a row of an earlier schema is a shorter row of the present one: the metadata name those schemas.
"""

from typing import Any

import msgspec

Value = str | int | float | bool | None


class Metadata(msgspec.Struct, frozen=True):
    """What is needed to read the rows of a FeatureSet."""

    schema: str = msgspec.field(name="s")
    """Hash of the present schema."""
    features: list[str] = msgspec.field(name="f")
    types: list[str] = msgspec.field(name="ty")
    through: float | None = None
    """Source data known up to this time (Unix seconds) are materialised."""
    earlier: dict[str, int] = msgspec.field(name="old", default_factory=dict)
    """Hash of each earlier schema whose rows are still right, with its number of features."""
    entity_type: str = msgspec.field(name="e", default="")
    """Type of the entity's key, as in the spec; empty where the rows were written before it was recorded."""


class Row(msgspec.Struct, frozen=True):
    """The newest row of an entity."""

    schema: str = msgspec.field(name="s")
    time: float = msgspec.field(name="t")
    """Event time, Unix seconds."""
    values: list[Any] = msgspec.field(name="v")


def metadata_key(namespace: str, feature_set: str) -> str:
    """Key of the metadata."""
    return f"homeostat:{namespace}:{feature_set}"


def row_key(namespace: str, feature_set: str, entity: str) -> str:
    """Key of an entity's row."""
    return f"homeostat:{namespace}:{feature_set}:{entity}"


def succeed(
    previous: Metadata | None, schema: str, features: list[str], types: list[str], entity_type: str = ""
) -> Metadata:
    """Metadata of a schema that takes the place of another; earlier rows stay readable when features were only appended."""
    if previous is None:
        return Metadata(schema, features, types, entity_type=entity_type)
    if previous.schema == schema:
        if entity_type in ("", previous.entity_type):
            return previous
        return msgspec.structs.replace(previous, entity_type=entity_type)
    size = len(previous.features)
    appended = features[:size] == previous.features and types[:size] == previous.types
    earlier = {**previous.earlier, previous.schema: size} if appended else {}
    return Metadata(schema, features, types, through=previous.through, earlier=earlier, entity_type=entity_type)


def named(metadata: Metadata, row: Row) -> dict[str, Value] | None:
    """Values by feature name, None where a feature is newer than the row; None when the row's schema is unknown."""
    size = len(metadata.features) if row.schema == metadata.schema else metadata.earlier.get(row.schema)
    if size is None or len(row.values) != size:
        return None
    values = [*row.values, *[None] * (len(metadata.features) - size)]
    return dict(zip(metadata.features, values, strict=True))
