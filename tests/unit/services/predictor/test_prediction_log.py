import asyncio

import pytest

from homeostat.signals.histogram import Baseline
from homeostat_services.predictor.counters import Counters
from homeostat_services.predictor.prediction_log import DeliveryError, Prediction, PredictionLog
from tools.waiting import until_async


class Collected:
    """A sink in memory that refuses a few times first."""

    def __init__(self, refusals: int = 0, *, retryable: bool = True) -> None:
        self.batches: list[list[Prediction]] = []
        self.refusals, self.retryable = refusals, retryable

    async def send(self, batch: list[Prediction]) -> None:
        if self.refusals:
            self.refusals -= 1
            raise DeliveryError("down", retryable=self.retryable)
        self.batches.append(batch)


@pytest.fixture
def counters() -> Counters:
    return Counters("churn", "churn", "1", Baseline(features=()))


def prediction(number: int) -> Prediction:
    return Prediction(str(number), "1", "entity", 0.0, 0.5)


async def until_sent(sink: Collected, count: int) -> None:
    await until_async(f"{count} predictions", lambda: sum(map(len, sink.batches)), lambda sent: sent >= count)


async def test_predictions_arrive_in_order_in_batches_of_at_most_five_hundred(counters: Counters) -> None:
    sink = Collected()
    log = PredictionLog(sink, counters)
    for number in range(1200):
        log.put([prediction(number)])
    running = asyncio.create_task(log.run())
    await until_sent(sink, 1200)
    running.cancel()
    assert [p.id for batch in sink.batches for p in batch] == [str(n) for n in range(1200)]
    assert max(map(len, sink.batches)) == 500
    assert counters.dropped == 0


async def test_a_batch_is_sent_again_after_an_outage(counters: Counters) -> None:
    sink = Collected(refusals=1)
    log = PredictionLog(sink, counters)
    log.put([prediction(1)])
    running = asyncio.create_task(log.run())
    await until_sent(sink, 1)
    log.put([prediction(2)])
    await until_sent(sink, 2)
    running.cancel()
    assert [[p.id for p in batch] for batch in sink.batches] == [["1"], ["2"]]


async def test_the_oldest_give_way_when_the_queue_is_full_and_are_counted(counters: Counters) -> None:
    sink = Collected()
    log = PredictionLog(sink, counters, capacity=3)
    for number in range(5):
        log.put([prediction(number)])
    await log.flush()
    assert [p.id for p in sink.batches[0]] == ["2", "3", "4"]
    assert counters.dropped == 2


async def test_a_batch_that_the_observer_refuses_for_good_is_dropped_and_counted(counters: Counters) -> None:
    sink = Collected(refusals=1, retryable=False)
    log = PredictionLog(sink, counters)
    log.put([prediction(1)])
    await log.flush()
    assert (sink.batches, counters.dropped) == ([], 1)


class Particular(Collected):
    """A sink that takes no batch with this id in it."""

    def __init__(self, unwanted: str) -> None:
        super().__init__()
        self.unwanted = unwanted

    async def send(self, batch: list[Prediction]) -> None:
        if any(p.id == self.unwanted for p in batch):
            raise DeliveryError("422", retryable=False, split=True)
        await super().send(batch)


async def test_one_prediction_that_is_refused_takes_no_other_with_it(counters: Counters) -> None:
    sink = Particular("123")
    log = PredictionLog(sink, counters)
    for number in range(500):
        log.put([prediction(number)])
    await log.flush()
    assert [p.id for batch in sink.batches for p in batch] == [str(n) for n in range(500) if n != 123]
    assert counters.dropped == 1


async def test_a_flush_gives_up_on_an_observer_that_is_down(counters: Counters) -> None:
    log = PredictionLog(Collected(refusals=99), counters)
    log.put([prediction(1)])
    await log.flush()
    assert counters.dropped == 0
