"""A value of a request as the model takes it: one reader for every protocol and encoding (`homeostat.values`).

What can be taken without loss is: 1.0 is the integer 1, 1 and 0 are true and false, NaN is a missing value. Clients hold a
column with a gap as floating-point numbers, whatever its type.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from homeostat.artifacts.signature import Datatype
from homeostat.values import EXACT, INTEGER_LIMIT, LARGEST, NUL, is_integer_id, usable, without_nul
from homeostat_services.predictor.errors import InvalidRequest
from homeostat_services.shortened import shortened

MAX_ENTITY = 256
"""Characters of an entity id; the observer takes no longer ones."""

_NONE = type(None)


class _UnusableError(Exception):
    """A value that is not of the datatype."""


def _text(value: Any) -> str:
    if type(value) is str:
        return without_nul(value)
    raise _UnusableError


def _boolean(value: Any) -> bool:
    if type(value) in (bool, int, float) and value in (0, 1):
        return bool(value)
    raise _UnusableError


def _integer(value: Any) -> int:
    if type(value) is float and value.is_integer() and abs(value) <= EXACT[8]:
        value = int(value)
    if type(value) is int and -INTEGER_LIMIT <= value < INTEGER_LIMIT:
        return value
    raise _UnusableError


def _number(value: Any) -> float | int:
    if type(value) in (float, int) and abs(value) <= LARGEST:
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
    Datatype.FP64: (LARGEST, " between -3.4e38 and 3.4e38"),
}


def _missing(value: Any, datatype: Datatype) -> bool:
    """Whether the value stands for none: null, NaN, or NaN as text where a number belongs."""
    if value is None or (type(value) is float and math.isnan(value)):
        return True
    return datatype is not Datatype.BYTES and value == "NaN"


def column(values: Sequence[Any], datatype: Datatype, name: str, place: str) -> list[Any]:
    """Values of the input `name` in its datatype, None or NaN where one is missing.

    Numbers of the datatype's own types are taken as they are: `check_range` is for many columns at once.

    Args:
        values: One value per row, as a client sends them.
        datatype: Of the model's input.
        name: Of the input.
        place: Where a value stands in the request, with {name} and {row} to be filled in.

    Raises:
        InvalidRequest: For the first value that cannot be taken without loss.
    """
    exact = _READERS[datatype][0]
    if exact.issuperset(map(type, values)) and not (datatype is Datatype.BYTES and _any_nul(values)):
        return values if isinstance(values, list) else list(values)
    return _converted(values, datatype, name, place)


def _any_nul(texts: Sequence[str | None]) -> bool:
    return any(text is not None and NUL in text for text in texts)


def _converted(values: Sequence[Any], datatype: Datatype, name: str, place: str) -> list[Any]:
    _, read, noun = _READERS[datatype]
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


class NumberBlock:
    """Number columns as one block, in which they are checked and computed.

    Args:
        inputs: Datatype by name; those of text are left out.
    """

    def __init__(self, inputs: Mapping[str, Datatype]) -> None:
        self._inputs = {name: datatype for name, datatype in inputs.items() if datatype is not Datatype.BYTES}
        limits = [_LIMITS.get(datatype, (math.inf, ""))[0] for datatype in self._inputs.values()]
        self._limits = np.array(limits, dtype=np.float64).reshape(-1, 1)
        self.names = tuple(self._inputs)

    def of(self, columns: Mapping[str, Sequence[Any]]) -> NDArray[np.float64]:
        """The values, one row per input and one column per row of the request, NaN where one is missing.

        Raises:
            OverflowError: A whole number is larger than any floating-point number.
        """
        return usable(self._stacked(columns))

    def _stacked(self, columns: Mapping[str, Sequence[Any]]) -> NDArray[np.float64]:
        if not self.names:
            return np.empty((0, 0))
        block: NDArray[np.float64] = np.array([columns[name] for name in self.names], dtype=np.float64)
        return block

    def checked(self, columns: dict[str, list[Any]], place: str) -> NDArray[np.float64]:
        """The same; `place` as for `column`.

        Raises:
            InvalidRequest: For the first number that is too large for its datatype.
        """
        try:
            block = self._stacked(columns)
        except OverflowError:
            block = None
        if block is None or (len(block) and (np.abs(block) >= self._limits).any()):
            for name, datatype in self._inputs.items():
                columns[name] = _converted(columns[name], datatype, name, place)
            block = self._stacked(columns)
        return block


def _any_id(value: Any) -> str:
    if type(value) is str and NUL in value:
        raise _UnusableError
    return value if type(value) is str else str(_integer(value))


def _integer_id(value: Any) -> str:
    if type(value) is str and is_integer_id(value):
        value = int(value)
    return str(_integer(value))


_ENTITIES: Mapping[Datatype | None, tuple[Callable[[Any], str], str]] = {
    None: (_any_id, "a string or an integer, without NUL characters"),
    Datatype.BYTES: (_any_id, "a string or an integer, without NUL characters"),
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
    if datatype is not Datatype.INT64 and _plain_ids(values):
        return list(values)
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


def _plain_ids(values: Sequence[Any]) -> bool:
    """Whether these are texts that are ids as they are."""
    if set(map(type, values)) != {str} or "NaN" in values:
        return False
    return len(max(values, key=len)) <= MAX_ENTITY and not _any_nul(values)


def check_all_named(entities: Sequence[str], name: str, place: str) -> None:
    """Refuse rows without an entity id; `name` and `place` as for `column`.

    Raises:
        InvalidRequest: For the first such row.
    """
    if all(entities):
        return
    for row, entity in enumerate(entities):
        if not entity:
            raise InvalidRequest(f"{place.format(name=name, row=row)} is empty; give the id of an entity")
