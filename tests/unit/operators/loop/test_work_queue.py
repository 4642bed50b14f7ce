"""The work queue, on a clock of the test's own."""

import threading
from datetime import timedelta

from homeostat_operators.core.workqueue import LONGEST_SECONDS, Key, WorkQueue

ONE, TWO = Key("churn", "one"), Key("churn", "two")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_key_added_many_times_is_handed_out_once() -> None:
    queue = WorkQueue(Clock())
    for _ in range(3):
        queue.add(ONE)
    assert queue.take() == ONE
    assert len(queue) == 0


def test_a_key_being_worked_on_is_handed_out_again_only_afterwards() -> None:
    clock = Clock()
    queue = WorkQueue(clock)
    queue.add(ONE)
    queue.take()
    queue.add(ONE)
    clock.now += 1
    queue.add(TWO)
    assert queue.take() == TWO
    queue.done(ONE, None)
    assert queue.take() == ONE


def test_the_earlier_of_two_due_times_counts() -> None:
    clock = Clock()
    queue = WorkQueue(clock)
    queue.add(ONE, timedelta(hours=1))
    queue.add(ONE, timedelta(seconds=5))
    queue.add(ONE, timedelta(hours=2))
    clock.now = 5
    assert queue.take() == ONE


def test_what_was_asked_for_during_the_work_is_not_put_off_by_its_end() -> None:
    clock = Clock()
    queue = WorkQueue(clock)
    queue.add(ONE)
    queue.take()
    queue.add(ONE)
    queue.done(ONE, timedelta(hours=1))
    assert len(queue) == 1


def test_failures_back_off_further_each_time_up_to_a_bound_and_success_forgets_them() -> None:
    clock = Clock()
    queue = WorkQueue(clock)
    delays = []
    for _ in range(12):
        queue.add(ONE)
        assert queue.take() == ONE
        delays.append(queue.failed(ONE).total_seconds())
    assert 1 <= delays[0] <= 2
    assert all(2 ** (n - 1) <= delay <= 2**n for n, delay in enumerate(delays[:8], 1))
    assert max(delays) <= LONGEST_SECONDS
    queue.add(ONE)
    queue.take()
    queue.done(ONE, None)
    queue.add(ONE)
    queue.take()
    assert queue.failed(ONE).total_seconds() <= 2


def test_a_closed_queue_lets_waiting_workers_go() -> None:
    queue = WorkQueue()
    taken: list[Key | None] = []
    worker = threading.Thread(target=lambda: taken.append(queue.take()))
    worker.start()
    queue.close()
    worker.join(timeout=60)
    assert taken == [None]


def test_a_waiting_worker_wakes_for_a_new_key() -> None:
    queue = WorkQueue()
    queue.add(TWO, timedelta(hours=1))
    taken: list[Key | None] = []
    worker = threading.Thread(target=lambda: taken.append(queue.take()))
    worker.start()
    queue.add(ONE)
    worker.join(timeout=60)
    assert taken == [ONE]
