"""Errors by who must act; they are translated to conditions in one place, the operators' loop.

::

    PlatformError              the text is shown to users as it is
    ├── InvalidSpec            the user: tried again when the spec changes
    ├── InvalidData            the user: the data contradict the spec
    ├── InvalidSettings        whoever installed the platform
    ├── NotReadyYet            nobody: something else has to happen first
    ├── EngineUnavailable      nobody, or whoever runs the engine: tried again with back-off
    ├── ObjectNotFound         the caller decides what an absent object means
    └── InternalError          whoever develops the platform: tried again with back-off
"""

from datetime import timedelta


class PlatformError(Exception):
    """An expected failure; its text names what is wrong and the remedy."""


class InvalidSpec(PlatformError):  # noqa: N818 - a condition reason, shown to users by this name
    """The spec cannot be carried out; nothing is tried again until it changes."""


class InvalidData(PlatformError):  # noqa: N818 - a condition reason, shown to users by this name
    """The data contradict the spec; another attempt on the same data would fail in the same way."""


class InvalidSettings(PlatformError):  # noqa: N818 - reads as its siblings do
    """The platform's own settings are missing or wrong."""


class NotReadyYet(PlatformError):  # noqa: N818 - reads as its siblings do
    """Something else has to happen first."""

    def __init__(self, message: str, retry_in: timedelta) -> None:
        super().__init__(message)
        self.retry_in = retry_in


class EngineUnavailable(PlatformError):  # noqa: N818 - a condition reason, shown to users by this name
    """An engine does not answer, or answers that it cannot right now."""

    def __init__(self, message: str, retry_in: timedelta = timedelta(seconds=5)) -> None:
        super().__init__(message)
        self.retry_in = retry_in


class ObjectNotFound(PlatformError):  # noqa: N818 - reads as its siblings do
    """An object asked for by its URI is not there."""


class InternalError(PlatformError):
    """A defect of the platform: an error that nothing expected."""
