"""Rows of a request, whatever protocol and encoding they came in."""

from collections.abc import Collection
from typing import Any

import msgspec

from homeostat.artifacts.signature import Datatype, Signature
from homeostat.enums import FeatureMode
from homeostat_services.predictor.errors import InvalidRequest
from homeostat_services.predictor.values import BlockReader, Blocks, check_all_named, entity_ids
from homeostat_services.shortened import shortened

MAX_ROWS = 1000


class Table(msgspec.Struct, frozen=True):
    """What a request gives, checked for its form and not yet for its values.

    Attributes:
        count: Number of rows.
        columns: Values by name, one per row.
        names_field: Where the names stand.
        place: Where a value stands, with {name} and {row} to be filled in.
    """

    count: int
    columns: dict[str, list[Any]]
    names_field: str
    place: str


class Rows(msgspec.Struct, frozen=True):
    """A request, checked.

    Attributes:
        count: Number of rows.
        entities: Entity id per row, empty where the caller gave none.
        place: As in `Table`.
        keys: Ids of further entities by name, one per row.
        columns: Values by input name, one per row; those that are looked up are added later.
        blocks: The same as the model takes them; None until all columns are there.
    """

    count: int
    entities: list[str]
    place: str
    columns: dict[str, list[Any]]
    blocks: Blocks | None = None
    keys: dict[str, list[str]] = {}


class RowReader:
    """Reads tables into rows of one model.

    Args:
        signature: Of the model.
        entity_field: Name of the column with the entity's key.
        mode: `Lookup`: callers send entity ids, and features that the signature does not look up; `Request`: every feature,
            and the entity id if predictions are to be logged.
    """

    def __init__(self, signature: Signature, entity_field: str, mode: FeatureMode) -> None:
        self._entity_field, self._entity_type = entity_field, signature.entity_type
        inputs, self._entity_needed = signature.datatypes, mode is FeatureMode.LOOKUP
        self._inputs = signature.sent if self._entity_needed else inputs
        self._block, self._sent = BlockReader(inputs), BlockReader(self._inputs)
        self._further = {each.name: each.datatype for each in signature.others} if self._entity_needed else {}
        self._names = self._inputs.keys() | {entity_field, *self._further}
        self._needed = self._names if self._entity_needed else self._inputs.keys()
        self._looked_up = inputs.keys() - self._inputs.keys()

    def read(self, table: Table) -> Rows:
        """Rows of a table.

        Raises:
            InvalidRequest: A column is missing or unknown, or a value is not what the model takes.
        """
        if not self._names >= table.columns.keys():
            self._check_others(table)
        entities = self._entities(table)
        keys = {name: self._ids(table, name, datatype) for name, datatype in self._further.items()}
        if not self._inputs:
            return Rows(table.count, entities, table.place, {}, None, keys)
        given = {name: self._given(table, name) for name in self._inputs}
        columns, blocks = self._sent.read(given, table.place)
        return Rows(table.count, entities, table.place, columns, None if self._entity_needed else blocks, keys)

    def with_features(self, rows: Rows, columns: dict[str, list[Any]], unknown: Collection[int] = ()) -> Rows:
        """The rows with the values that were looked up for them, which the unknown ones do not have."""
        sent = rows.columns
        if unknown:
            sent = {name: [v for row, v in enumerate(values) if row not in unknown] for name, values in sent.items()}
        columns = sent | columns
        return Rows(rows.count, rows.entities, rows.place, columns, self._block.of(columns))

    def _check_others(self, table: Table) -> None:
        """Refuses names that are no inputs, unless they can be those of a later version.

        Callers send such ones, beside all of the inputs, before that version is rolled out. A name that is looked up is none of
        them: its caller expects that the value counts.

        Raises:
            InvalidRequest: For the first such name.
        """
        looked_up = next((name for name in table.columns if name in self._looked_up), None)
        if looked_up is None and self._needed <= table.columns.keys():
            return
        unknown = looked_up or next(name for name in table.columns if name not in self._names)
        raise InvalidRequest(
            f"{table.names_field} {shortened(unknown)} is not an input of this model; "
            f"the inputs are {', '.join(sorted(self._names))}"
        )

    def _entities(self, table: Table) -> list[str]:
        if self._entity_field not in table.columns and not self._entity_needed:
            return [""] * table.count
        return self._ids(table, self._entity_field, self._entity_type)

    def _ids(self, table: Table, name: str, datatype: Datatype | None) -> list[str]:
        ids = entity_ids(self._given(table, name), datatype, name, table.place)
        if self._entity_needed:
            check_all_named(ids, name, table.place)
        return ids

    def _given(self, table: Table, name: str) -> list[Any]:
        values = table.columns.get(name)
        if values is None:
            raise InvalidRequest(
                f"{table.names_field} {name!r} is missing; add it, with null where a value is not known"
            )
        return values


def check_unique(names: Collection[str], field: str) -> None:
    """Refuse a name that is given twice, in a sentence that begins with `field`.

    Raises:
        InvalidRequest: For the first such name.
    """
    if len(set(names)) < len(names):
        twice = next(name for name in names if list(names).count(name) > 1)
        raise InvalidRequest(f"{field} {shortened(twice)} is given twice; give it once")


def check_count(count: int, field: str) -> None:
    """Refuse more rows than one request may have, or none.

    Raises:
        InvalidRequest: With the field that has them.
    """
    if not 1 <= count <= MAX_ROWS:
        raise InvalidRequest(f"{field} has {count} rows; send 1 to {MAX_ROWS} in one request")
