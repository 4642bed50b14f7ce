"""Which times of predictions, outcomes and business numbers are possible.

A time in the year 1 or 9999 is a default of somebody's library; no training can read it, and retention never reaches it.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
AHEAD = timedelta(days=1)
"""How far clocks of clients may be ahead."""
LATEST_READABLE = datetime(2200, 1, 1, tzinfo=UTC)
"""Predictions that are later were recorded by a version that did not refuse them; trainings cannot read their time."""


class ImpossibleTimeError(ValueError):
    """A time that is before `EARLIEST` or ahead; the text names field, value and remedy."""


def check_times(times: Iterable[tuple[str, datetime | None]], now: datetime) -> None:
    """Refuse the first time that is impossible.

    Args:
        times: Place in the request, and the time there, if one was given.
        now: The present.

    Raises:
        ImpossibleTimeError: For that time.
    """
    latest = now + AHEAD
    for place, time in times:
        if time is not None and not EARLIEST <= time <= latest:
            raise ImpossibleTimeError(
                f"{place} is {time.isoformat()}; give a time from {EARLIEST.date()} to {latest.isoformat(timespec='seconds')}"
            )
