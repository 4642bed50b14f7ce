from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.signals import SignalState, Streak, Window, advance, due_windows, next_window, resume
from homeostat.signals.windows import DAY, mixes_times_of_day, parts_of, split

SINCE = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
BREACHED, WITHIN_BOUNDS, NO_DATA, OUTCOMES_PENDING = (
    SignalState.BREACHED,
    SignalState.WITHIN_BOUNDS,
    SignalState.NO_DATA,
    SignalState.OUTCOMES_PENDING,
)


def minute(number: int) -> Window:
    return Window(SINCE + number * MINUTE, SINCE + (number + 1) * MINUTE)


def after(*states: SignalState, consecutive: int = 2) -> Streak:
    streak = Streak()
    for number, state in enumerate(states):
        streak = advance(streak, minute(number), state, consecutive)
    return streak


@given(st.lists(st.integers(0, 400), min_size=1), st.integers(1, 90))
def test_each_window_is_judged_exactly_once_whenever_one_looks_and_restarts(looks: list[int], width: int) -> None:
    judged: list[Window] = []
    through = None
    for look in sorted(looks):
        # Nothing but `through` survives between looks, as after a restart.
        for window in due_windows(SINCE, timedelta(seconds=width), through, SINCE + timedelta(seconds=look)):
            judged.append(window)
            through = window.end
    edges = [SINCE + timedelta(seconds=width) * n for n in range(max(looks) // width + 1)]
    assert judged == [Window(*pair) for pair in pairwise(edges)]


@given(st.integers(1, 100), st.integers(1, 100), st.integers(0, 50))
def test_after_a_change_of_width_no_time_is_judged_twice(before: int, now: int, windows: int) -> None:
    through = SINCE + timedelta(seconds=before * windows)
    window = next_window(SINCE, timedelta(seconds=now), through)
    assert timedelta(0) <= window.start - through < timedelta(seconds=now)
    assert (window.start - SINCE) % timedelta(seconds=now) == timedelta(0)


def test_a_new_stable_version_starts_its_own_windows() -> None:
    assert next_window(SINCE, MINUTE, SINCE - 5 * MINUTE) == minute(0)


def test_a_width_that_is_not_positive_is_refused() -> None:
    with pytest.raises(ValueError, match="positive"):
        next_window(SINCE, timedelta(0), None)


@pytest.mark.parametrize(
    ("states", "breaches", "first"),
    [
        ((WITHIN_BOUNDS,), 0, None),
        ((WITHIN_BOUNDS, BREACHED), 1, 1),
        ((BREACHED, BREACHED), 2, 0),
        ((BREACHED, WITHIN_BOUNDS, BREACHED), 1, 2),
        ((BREACHED, NO_DATA, BREACHED), 2, 0),
        ((OUTCOMES_PENDING, BREACHED, OUTCOMES_PENDING), 1, 1),
    ],
)
def test_a_streak_counts_breaches_that_no_calm_window_parts_before_they_are_confirmed(
    states: tuple[SignalState, ...], breaches: int, first: int | None
) -> None:
    start = None if first is None else minute(first).start
    assert after(*states) == Streak(minute(len(states) - 1).end, breaches, start)


def test_a_breach_is_confirmed_by_as_many_windows_as_asked() -> None:
    assert [after(*[BREACHED] * n).confirmed(2) for n in (1, 2, 3)] == [False, True, True]


@pytest.mark.parametrize(
    ("states", "consecutive", "breaches", "calm"),
    [
        ((BREACHED, BREACHED, WITHIN_BOUNDS), 2, 2, 1),
        ((BREACHED, BREACHED, WITHIN_BOUNDS, WITHIN_BOUNDS), 2, 0, 0),
        ((BREACHED, BREACHED, WITHIN_BOUNDS, BREACHED), 2, 3, 0),
        ((BREACHED, BREACHED, WITHIN_BOUNDS, BREACHED, WITHIN_BOUNDS), 2, 3, 1),
        ((BREACHED, BREACHED, WITHIN_BOUNDS, NO_DATA, WITHIN_BOUNDS), 2, 0, 0),
        ((BREACHED, WITHIN_BOUNDS), 1, 0, 0),
        ((*[BREACHED] * 3, WITHIN_BOUNDS, WITHIN_BOUNDS), 3, 3, 2),
        ((BREACHED, BREACHED, WITHIN_BOUNDS), 3, 0, 0),
    ],
)
def test_a_confirmed_breach_ends_with_as_many_windows_within_bounds_as_confirmed_it(
    states: tuple[SignalState, ...], consecutive: int, breaches: int, calm: int
) -> None:
    streak = after(*states, consecutive=consecutive)
    assert (streak.breaches, streak.calm) == (breaches, calm)
    assert (streak.first_breach is not None) is (breaches > 0)


def test_a_window_is_not_judged_twice() -> None:
    with pytest.raises(ValueError, match="judged before"):
        advance(after(WITHIN_BOUNDS), minute(0), BREACHED, 2)


def test_what_an_earlier_version_did_is_forgotten() -> None:
    streak = after(BREACHED, BREACHED)
    assert resume(streak, SINCE) == streak
    assert resume(streak, SINCE + 2 * MINUTE) == Streak()


def test_a_streak_without_any_judged_window_goes_on_as_it_is() -> None:
    assert resume(Streak(), SINCE) == Streak()
    assert resume(Streak(breaches=1), SINCE) == Streak(breaches=1)


def test_a_window_is_split_into_twelve_equal_parts_that_end_exactly_at_its_end() -> None:
    assert split(100.0, 220.0) == [(100.0 + 10 * n, 110.0 + 10 * n) for n in range(12)]
    assert split(1.0, 2.1, 4) == [
        (1.0, 1.275),
        (1.275, 1.55),
        (1.55, pytest.approx(1.825)),
        (pytest.approx(1.825), 2.1),
    ]


@pytest.mark.parametrize(
    ("width", "parts"),
    [(60.0, 12), (DAY, 12), (3 * DAY, 12), (4 * DAY, 4), (4.5 * DAY, 12), (7 * DAY, 7), (28 * DAY, 4), (30 * DAY, 30)],
)
def test_parts_of_a_window_are_whole_weeks_or_days_where_it_has_four_of_them(width: float, parts: int) -> None:
    assert len(split(0, width)) == parts_of(width) == parts
    assert split(0, width)[-1][1] == width
    assert len(split(DAY, DAY + width)) == parts, "the width counts, wherever the window lies"


@pytest.mark.parametrize(
    ("width", "mixed"),
    [
        (60.0, False), (DAY - 1, False), (DAY, True), (25 * 3600.0, True), (3 * DAY, True), (4 * DAY, False),
        (4.5 * DAY, True), (7 * DAY, False),
    ],
)  # fmt: skip
def test_a_window_of_a_day_or_more_mixes_times_of_day_unless_its_parts_are_days_or_weeks(
    width: float, mixed: bool
) -> None:
    assert mixes_times_of_day(width) is mixed
