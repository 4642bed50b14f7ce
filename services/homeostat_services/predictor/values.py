"""A value as the model takes it: one reader for every protocol and encoding.

What can be taken without loss is: 1.0 is the integer 1, 1 and 0 are true and false, NaN is a missing value. Clients hold a
column with a gap as floating-point numbers, whatever its type.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from homeostat.artifacts.signature import Datatype
from homeostat_services.predictor.errors import InvalidRequest
from homeostat_services.shortened import shortened

MAX_ENTITY = 256
"""Characters of an entity id; the observer takes no longer ones."""

FLOAT_LIMIT = 3.4028234663852886e38
"""Largest number of single precision, in which models compute."""
INTEGER_LIMIT = 2**63
EXACT_LIMIT = 2**53
"""Beyond it a double skips whole numbers."""

_NONE = type(None)
_INTEGER_TEXT = re.compile(r"0|-?[1-9][0-9]{0,18}", re.ASCII)


class _UnusableError(Exception):
    """A value that is not of the datatype."""


def _text(value: Any) -> str:
    if type(value) is str:
        return value
    raise _UnusableError


def _boolean(value: Any) -> bool:
    if type(value) in (bool, int, float) and value in (0, 1):
        return bool(value)
    raise _UnusableError


def _integer(value: Any) -> int:
    if type(value) is float and value.is_integer() and abs(value) <= EXACT_LIMIT:
        value = int(value)
    if type(value) is int and -INTEGER_LIMIT <= value < INTEGER_LIMIT:
        return value
    raise _UnusableError


def _number(value: Any) -> float | int:
    if type(value) in (float, int) and abs(value) <= FLOAT_LIMIT:
        number: float | int = value
        return number
    raise _UnusableError


_READERS: Mapping[Datatype, tuple[frozenset[type], Callable[[Any], Any], str]] = {
    Datatype.BYTES: (frozenset({str, _NONE}), _text, "a string"),
    Datatype.BOOL: (frozenset({bool, _NONE}), _boolean, "true or false"),
    Datatype.INT64: (frozenset({int, _NONE}), _integer, "a whole number"),
    Datatype.FP64: (frozenset({float, int, _NONE}), _number, "a number"),
}
"""Types that need no conversion, how a value of another type is read, and what to give instead of one that is refused."""

_LIMITS: Mapping[Datatype, tuple[float, str]] = {
    Datatype.INT64: (INTEGER_LIMIT, " of at most 64 bits"),
    Datatype.FP64: (FLOAT_LIMIT, " between -3.4e38 and 3.4e38"),
}


def _missing(value: Any, datatype: Datatype) -> bool:
    """Whether the value stands for none: null, NaN, or NaN as text where a number belongs."""
    if value is None or (type(value) is float and math.isnan(value)):
        return True
    return datatype is not Datatype.BYTES and value == "NaN"


def column(values: Sequence[Any], datatype: Datatype, name: str, place: str) -> list[Any]:
    """Values of the input `name` in its datatype, None where one is missing.

    Args:
        values: One value per row, as a client sends them.
        datatype: Of the model's input.
        name: Of the input.
        place: Where a value stands in the request, with {name} and {row} to be filled in.

    Raises:
        InvalidRequest: For the first value that cannot be taken without loss.
    """
    exact, read, noun = _READERS[datatype]
    if exact.issuperset(map(type, values)) and _in_range(values, datatype):
        return list(values)
    taken: list[Any] = []
    for row, value in enumerate(values):
        if _missing(value, datatype):
            taken.append(None)
            continue
        try:
            taken.append(read(value))
        except _UnusableError:
            where = place.format(name=name, row=row)
            bound = _LIMITS[datatype][1] if type(value) in (int, float) and datatype in _LIMITS else ""
            remedy = f"give {noun}{bound}, or null if it is not known"
            raise InvalidRequest(f"{where} is {shortened(value)}; {remedy}") from None
    return taken


def _in_range(values: Sequence[Any], datatype: Datatype) -> bool:
    """Whether no number is too large, or NaN; `values` have the datatype's own types."""
    if datatype not in _LIMITS:
        return True
    limit = _LIMITS[datatype][0]
    # Written so that NaN fails.
    return all(value is None or -limit < value < limit for value in values)


def _any_id(value: Any) -> str:
    return value if type(value) is str else str(_integer(value))


def _integer_id(value: Any) -> str:
    # As text only in the one spelling that the key has everywhere else: "007" would be another key than 7.
    if type(value) is str and _INTEGER_TEXT.fullmatch(value):
        value = int(value)
    return str(_integer(value))


_ENTITIES: Mapping[Datatype | None, tuple[Callable[[Any], str], str]] = {
    None: (_any_id, "a string or an integer"),
    Datatype.BYTES: (_any_id, "a string or an integer"),
    Datatype.INT64: (_integer_id, "an integer of at most 64 bits, since the key of this entity is an Int64"),
}


def entity_ids(values: Sequence[Any], datatype: Datatype | None, name: str, place: str) -> list[str]:
    """Entity ids as text, empty where there is none.

    Args:
        values: One value per row.
        datatype: INT64 or BYTES, the type of the entity's key; None where the model does not record it.
        name: Of the entity's input.
        place: As for `column`.

    Raises:
        InvalidRequest: A value is not of the key's type, or too long.
    """
    read, noun = _ENTITIES[datatype]
    entities = []
    for row, value in enumerate(values):
        try:
            entity = "" if _missing(value, Datatype.INT64) else read(value)
        except _UnusableError:
            where = place.format(name=name, row=row)
            raise InvalidRequest(f"{where} is {shortened(value)}; an entity id is {noun}") from None
        if len(entity) > MAX_ENTITY:
            where = place.format(name=name, row=row)
            raise InvalidRequest(f"{where} has {len(entity)} characters; an entity id has at most {MAX_ENTITY}")
        entities.append(entity)
    return entities


def check_all_named(entities: Sequence[str], name: str, place: str) -> None:
    """Refuse rows without an entity id; `name` and `place` as for `column`.

    Raises:
        InvalidRequest: For the first such row.
    """
    for row, entity in enumerate(entities):
        if not entity:
            raise InvalidRequest(f"{place.format(name=name, row=row)} is empty; give the id of an entity")
