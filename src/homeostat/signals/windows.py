"""Disjoint windows, each judged exactly once.

Looking often at one sliding window turns chance into alarms: a metric exactly at its bound then "breaches" on most days.
So windows do not overlap, are aligned to the time since which the stable version serves, and the end of the last judged
one is kept in status (`Streak`): a restart neither repeats nor skips one.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import assert_never

from homeostat.enums import SignalState

SUB_WINDOWS = 12
"""Parts of a window between which the design effect is estimated; scrape at least twice in each."""

DAY = 86_400.0

CYCLES = (7 * DAY, DAY)
"""Seconds of the cycles that traffic has, the longest first: weeks and days."""

FEWEST_CYCLES = 4
"""Whole cycles that a window needs for each to be a part."""


@dataclass(frozen=True)
class Window:
    """A half-open span of time: after `start`, up to and including `end`."""

    start: datetime
    end: datetime


def next_window(since: datetime, width: timedelta, judged_through: datetime | None) -> Window:
    """The first aligned window of which no part has been judged.

    Args:
        since: When the stable version began to serve; windows start at whole widths after it.
        width: Length of a window.
        judged_through: End of the last judged window; one before `since` belongs to an earlier version and is ignored.

    Raises:
        ValueError: The width is not positive.
    """
    if width <= timedelta(0):
        raise ValueError(f"window is {width}; give a positive duration")
    done = timedelta(0) if judged_through is None else max(timedelta(0), judged_through - since)
    # Rounded up: after a change of width, an aligned window may begin in time that is already judged.
    start = since + width * -(-done // width)
    return Window(start, start + width)


def due_windows(since: datetime, width: timedelta, judged_through: datetime | None, now: datetime) -> list[Window]:
    """Every window that has ended and is not yet judged, oldest first.

    For a signal on late outcomes give `now` less the outcome delay: its windows are of prediction time.
    """
    windows = []
    window = next_window(since, width, judged_through)
    while window.end <= now:
        windows.append(window)
        window = Window(window.end, window.end + width)
    return windows


@dataclass(frozen=True)
class Streak:
    """What a signal's status remembers of its judged windows."""

    judged_through: datetime | None = None
    """End of the last judged window."""
    breaches: int = 0
    """Breaching windows of a breach that has not ended."""
    first_breach: datetime | None = None
    """Start of the earliest of these windows."""
    calm: int = 0
    """Windows within bounds since the newest of them."""

    def confirmed(self, consecutive: int) -> bool:
        """Whether enough windows agree that the signal is in breach."""
        return self.breaches >= consecutive


def resume(streak: Streak, since: datetime) -> Streak:
    """The streak to go on with: what was judged before `since` belongs to another stable version and is forgotten."""
    return Streak() if streak.judged_through is not None and streak.judged_through <= since else streak


def advance(streak: Streak, window: Window, state: SignalState, consecutive: int) -> Streak:
    """The streak after one more judged window.

    A breach that `consecutive` windows confirmed ends with as many windows within bounds in a row, so that one window by
    chance changes nothing; before it is confirmed the first one ends it. A window without data does neither.

    Raises:
        ValueError: Part of the window was judged before.
    """
    if streak.judged_through is not None and window.start < streak.judged_through:
        raise ValueError(f"the window from {window.start} was judged before, through {streak.judged_through}")
    match state:
        case SignalState.BREACHED:
            return Streak(window.end, streak.breaches + 1, streak.first_breach or window.start)
        case SignalState.WITHIN_BOUNDS if streak.confirmed(consecutive) and streak.calm + 1 < consecutive:
            return replace(streak, judged_through=window.end, calm=streak.calm + 1)
        case SignalState.WITHIN_BOUNDS:
            return Streak(window.end)
        case SignalState.OUTCOMES_PENDING | SignalState.NO_DATA:
            return replace(streak, judged_through=window.end)
        case _:
            assert_never(state)


def parts_of(width: float) -> int:
    """Number of parts of a window of `width` seconds: whole cycles of the traffic where it has enough of them.

    The hours of a day and the days of a week differ every time, which is no clustering: parts that cut a cycle would make
    such features look as if few independent rows had arrived.
    """
    cycle = _cycle_of(width)
    return SUB_WINDOWS if cycle is None else int(width // cycle)


def mixes_times_of_day(width: float) -> bool:
    """Whether the parts of a window of `width` seconds cover different times of the day, although it lasts a day or more.

    What follows the time of day then looks as if it arrived in batches. One to three days do not show how much days differ
    from each other, and other lengths do not consist of days.
    """
    return width >= DAY and _cycle_of(width) is None


def _cycle_of(width: float) -> float | None:
    """Seconds of the longest cycle that a window consists of, as often as `FEWEST_CYCLES` at least."""
    return next((c for c in CYCLES if width >= FEWEST_CYCLES * c and width % c == 0), None)


def split(start: float, end: float, parts: int | None = None) -> list[tuple[float, float]]:
    """Equal sub-windows of a window, in Unix seconds, as many as `parts_of` says; the last one ends exactly at `end`."""
    parts = parts or parts_of(end - start)
    width = (end - start) / parts
    edges = [start + i * width for i in range(parts)] + [end]
    return list(pairwise(edges))
