"""The one way in which tools and tests wait for a condition of something that runs elsewhere."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(
    what: str,
    read: Callable[[], T],
    done: Callable[[T], object] = bool,
    seconds: float = 120,
    *,
    every: float = 0.1,
    diagnose: Callable[[], object] = lambda: "",
    error: type[Exception] = TimeoutError,
) -> T:
    """The value of `read` as soon as it is `done`.

    Args:
        what: What is waited for, for the message.
        read: Gives the present value.
        done: Whether that value ends the waiting; by default any true one does.
        seconds: Longest wait.
        every: Seconds between two reads.
        diagnose: Called when the time is over; what it gives ends the message.
        error: Class of the exception.

    Raises:
        TimeoutError: or `error`: it was not done within `seconds`; the message has the last value and the diagnosis.
    """
    deadline = time.monotonic() + seconds
    while True:
        value = read()
        if done(value):
            return value
        if time.monotonic() > deadline:
            raise error(_message(what, seconds, value, diagnose))
        time.sleep(every)


async def until_async(
    what: str,
    read: Callable[[], T],
    done: Callable[[T], object] = bool,
    seconds: float = 60,
    *,
    every: float = 0.01,
    diagnose: Callable[[], object] = lambda: "",
) -> T:
    """As `until`, while the event loop goes on.

    Raises:
        TimeoutError: It was not done within `seconds`.
    """
    deadline = time.monotonic() + seconds
    while True:
        value = read()
        if done(value):
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(_message(what, seconds, value, diagnose))
        await asyncio.sleep(every)


def _message(what: str, seconds: float, value: object, diagnose: Callable[[], object]) -> str:
    return f"{what}: not within {seconds:.0f} s; last value: {value!r}\n{diagnose()}".rstrip()
