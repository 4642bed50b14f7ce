"""Kubernetes' notation of amounts: ``200Mi``, ``500m``, ``1.5``."""

import re
from decimal import Decimal

_NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)([KMGTPE]i|[numkMGTPE])?")
_FACTORS = {
    **{prefix: Decimal(1000) ** power for power, prefix in enumerate("num kMGTPE", start=-3) if prefix != " "},
    **{f"{prefix}i": Decimal(1024) ** power for power, prefix in enumerate("KMGTPE", start=1)},
}


def parse_quantity(text: str) -> Decimal:
    """The number that a quantity stands for.

    Raises:
        ValueError: It is none.
    """
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a quantity; write a number with one of m, k, M, G, Ki, Mi, Gi, or without")
    number, suffix = match.groups()
    return Decimal(number) * (_FACTORS[suffix] if suffix else 1)
