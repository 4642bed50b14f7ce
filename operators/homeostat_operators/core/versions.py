"""The order of a model's versions: that in which their trainings completed.

The registry's number is no order in time: a registry that was restored, or replaced by an empty one, counts anew. A version is
therefore known by its number and its digest, and numbers order only trainings that completed in the same second.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Protocol, TypeVar

from homeostat.api.v1alpha1.modeldeployment import ServedVersion

_NOT_YET = datetime.max.replace(tzinfo=UTC)


class Identified(Protocol):
    """A version wherever it is named: recorded, served, a candidate, or in the history."""

    @property
    def version(self) -> str:
        """Number in the registry."""

    @property
    def digest(self) -> str:
        """Digest of its files."""


class Recorded(Identified, Protocol):
    """A version that a TrainingJob recorded."""

    @property
    def completed(self) -> datetime | None:
        """When its training completed; None while it is about to."""


RecordedT = TypeVar("RecordedT", bound=Recorded)


def newest(versions: Iterable[RecordedT]) -> RecordedT | None:
    """The one whose training completed last."""
    return max(versions, key=_place, default=None)


def is_newer(version: Recorded, served: ServedVersion | None, known: Iterable[Recorded]) -> bool:
    """Whether a version comes after the one that serves.

    Args:
        version: The version.
        served: The one that serves; None: none does.
        known: All recorded versions: where the status does not have the time of the one that serves, its TrainingJob has.
            If that is gone, too, numbers decide.
    """
    if served is None:
        return True
    completed = served.completion_time or next((v.completed for v in known if is_same(v, served)), None)
    if completed is None:
        return int(version.version) > int(served.version)
    return _place(version) > (completed, int(served.version))


def is_same(one: Identified, other: Identified) -> bool:
    """Whether both are one version."""
    return (one.version, one.digest) == (other.version, other.digest)


def takes_number(version: Recorded, served: ServedVersion | None) -> bool:
    """Whether a version has the number of the one that serves, but other files: objects and metrics are named by numbers."""
    return served is not None and version.version == served.version and version.digest != served.digest


def _place(version: Recorded) -> tuple[datetime, int]:
    return version.completed or _NOT_YET, int(version.version)
