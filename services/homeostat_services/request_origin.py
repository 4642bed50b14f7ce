"""How a request came to a predictor; the gateway says so in its headers."""

from collections.abc import Mapping
from dataclasses import dataclass

PREDICTION_HEADER = "x-homeostat-prediction"
"""Set by the gateway: one value for a request and its copies, never given twice."""
ID_LENGTH = 64
COPY_SUFFIX = "-shadow"
"""What Envoy, and Istio and Ambassador with it, append to the host of a copy."""


@dataclass(frozen=True)
class Origin:
    """Where a request comes from.

    Attributes:
        id: Id of its predictions, unless the request gives one; empty when it did not come by the gateway.
        mirrored: It is a copy: its answer reaches nobody.
    """

    id: str = ""
    mirrored: bool = False


def origin_of(headers: Mapping[str, str]) -> Origin:
    """The origin of a request with these headers, whose names are in lower case."""
    host, given = headers.get("host") or "", headers.get(PREDICTION_HEADER) or ""
    # The gateway's are UUIDs; a longer one is somebody else's, and might not be recorded.
    return Origin(given if len(given) <= ID_LENGTH else "", host.partition(":")[0].endswith(COPY_SUFFIX))
