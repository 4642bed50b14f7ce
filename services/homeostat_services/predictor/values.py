"""A value of a request as the model takes it: one reader for every protocol and encoding (`homeostat.values`).

What can be taken without loss is: 1.0 is the integer 1, 1 and 0 are true and false, NaN is a missing value. Clients hold a
column with a gap as floating-point numbers, whatever its type.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from homeostat.artifacts.signature import Datatype
from homeostat.values import EXACT, INTEGER_LIMIT, LARGEST, NO_TEXT, NUL, is_integer_id, usable, without_nul
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


class Blocks(NamedTuple):
    """Values of a request as a model computes with them: one row per input and one column per row of the request.

    Attributes:
        numbers: NaN where one is missing.
        texts: Empty where one is missing.
    """

    numbers: NDArray[np.float64]
    texts: NDArray[np.object_]


class BlockReader:
    """Reads the columns of all inputs at once: what a call costs for each of them would be most of a small request.

    Args:
        inputs: Datatype by name.

    Attributes:
        numbers: Names of the inputs that are no texts, in the order of their block; each datatype's are side by side.
        texts: Names of the others, in the order of theirs.
    """

    def __init__(self, inputs: Mapping[str, Datatype]) -> None:
        self._inputs = inputs
        of_type = {d: tuple(n for n, given in inputs.items() if given is d) for d in Datatype}
        self.texts = of_type.pop(Datatype.BYTES)
        self.numbers = tuple(chain.from_iterable(of_type.values()))
        self._types = [(_READERS[datatype][0], len(names)) for datatype, names in of_type.items() if names]
        limits = [_LIMITS.get(inputs[name], (math.inf, ""))[0] for name in self.numbers]
        self._limits = np.array(limits, dtype=np.float64).reshape(-1, 1)

    def of(self, columns: Mapping[str, Sequence[Any]]) -> Blocks:
        """Blocks of columns that need no check.

        Raises:
            OverflowError: A whole number is larger than any floating-point number.
        """
        texts = [NO_TEXT if text is None else text for text in _side_by_side(columns, self.texts)]
        return Blocks(usable(self._numbers(_side_by_side(columns, self.numbers))), self._texts(texts))

    def read(self, columns: dict[str, list[Any]], place: str) -> tuple[dict[str, list[Any]], Blocks]:
        """The columns of all inputs, each value in its datatype, and their blocks; `place` as for `column`.

        Raises:
            InvalidRequest: For the first value that cannot be taken without loss.
        """
        blocks = self._plain(columns)
        if blocks is None:
            columns = {name: column(columns[name], datatype, name, place) for name, datatype in self._inputs.items()}
            blocks = self._plain(columns)
        if blocks is None:  # a number of the right type is too large, which costs a look at each to name
            columns = {n: _converted(columns[n], datatype, n, place) for n, datatype in self._inputs.items()}
            blocks = self.of(columns)
        return columns, blocks

    def _plain(self, columns: Mapping[str, Sequence[Any]]) -> Blocks | None:
        """The blocks of columns whose values are all as the model takes them; else none."""
        numbers, texts = _side_by_side(columns, self.numbers), _side_by_side(columns, self.texts)
        start = 0
        for exact, share in self._types:
            end = start + share * len(numbers) // len(self.numbers)
            if not exact.issuperset(map(type, numbers[start:end])):
                return None
            start = end
        try:
            if NUL in "".join(texts):
                return None
        except TypeError:
            texts = [NO_TEXT if text is None else text for text in texts]
            if not {str}.issuperset(map(type, texts)) or NUL in "".join(texts):
                return None
        try:
            block = self._numbers(numbers)
        except OverflowError:
            return None
        return None if (np.abs(block) >= self._limits).any() else Blocks(block, self._texts(texts))

    def _numbers(self, values: list[Any]) -> NDArray[np.float64]:
        return np.array(values, dtype=np.float64).reshape(len(self.numbers), -1 if values else 0)

    def _texts(self, values: list[str]) -> NDArray[np.object_]:
        return np.array(values, dtype=np.object_).reshape(len(self.texts), -1 if values else 0)


def _side_by_side(columns: Mapping[str, Sequence[Any]], names: Sequence[str]) -> list[Any]:
    return list(chain.from_iterable([columns[name] for name in names]))


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
    try:
        joined = "".join(values)  # the cheapest look at all of them
    except TypeError:
        return False
    return NUL not in joined and "NaN" not in values and max(map(len, values), default=0) <= MAX_ENTITY


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
