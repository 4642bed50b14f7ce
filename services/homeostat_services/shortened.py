"""A value as an error message shows it."""

import reprlib

_repr = reprlib.Repr()
_repr.maxstring = _repr.maxother = 60


def shortened(value: object) -> str:
    """The value as Python writes it, cut to about 60 characters, whatever its size and depth."""
    try:
        return _repr.repr(value)
    except ValueError:
        # Python writes no number of more than 4,300 digits.
        return "a number of thousands of digits"
