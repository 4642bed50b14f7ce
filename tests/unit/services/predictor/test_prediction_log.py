import asyncio
import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from homeostat.signals.histogram import Baseline
from homeostat_services.predictor.counters import Counters
from homeostat_services.predictor.prediction_log import (
    DeliveryError,
    ObserverSink,
    PredictedBy,
    Prediction,
    PredictionLog,
)
from tools.waiting import until_async


class Collected:
    """A sink in memory that refuses a few times first."""

    def __init__(self, refusals: int = 0, *, retryable: bool = True) -> None:
        self.batches: list[list[Prediction]] = []
        self.models: list[Mapping[str, PredictedBy]] = []
        self.refusals, self.retryable = refusals, retryable

    async def send(self, batch: list[Prediction], models: Mapping[str, PredictedBy]) -> None:
        if self.refusals:
            self.refusals -= 1
            raise DeliveryError("down", retryable=self.retryable)
        self.batches.append(batch)
        self.models.append(models)


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

    async def send(self, batch: list[Prediction], models: Mapping[str, PredictedBy]) -> None:
        if any(p.id == self.unwanted for p in batch):
            raise DeliveryError("422", retryable=False, split=True)
        await super().send(batch, models)


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


class Busy(Collected):
    """A sink during whose work another prediction is made."""

    def __init__(self) -> None:
        super().__init__()
        self.log: PredictionLog | None = None

    async def send(self, batch: list[Prediction], models: Mapping[str, PredictedBy]) -> None:
        assert self.log is not None
        await super().send(batch, models)
        if len(self.batches) == 1:
            self.log.put([prediction(500)])


async def test_what_arrives_while_a_batch_is_sent_waits_to_become_a_batch_too(counters: Counters) -> None:
    sink = Busy()
    sink.log = log = PredictionLog(sink, counters)
    log.put([prediction(number) for number in range(500)])
    running = asyncio.create_task(log.run())
    await until_sent(sink, 500)
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(sink.batches) == 1
    await until_sent(sink, 501)
    running.cancel()


class Stuck(Collected):
    """A sink that does not finish the first batch."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = asyncio.Event()

    async def send(self, batch: list[Prediction], models: Mapping[str, PredictedBy]) -> None:
        if not self.begun.is_set():
            self.begun.set()
            await asyncio.Event().wait()
        await super().send(batch, models)


async def test_a_batch_that_was_being_sent_when_the_process_ends_is_sent_by_its_flush(counters: Counters) -> None:
    sink = Stuck()
    log = PredictionLog(sink, counters)
    log.put([prediction(1), prediction(2)])
    running = asyncio.create_task(log.run())
    await sink.begun.wait()
    log.put([prediction(3)])
    running.cancel()
    await asyncio.wait([running])
    await log.flush()
    assert [p.id for batch in sink.batches for p in batch] == ["1", "2", "3"]


@contextmanager
def observer(status: int) -> Iterator[tuple[str, list[tuple[str, str, bytes]]]]:
    """The address of a server that answers with a status, and what it got: path, token, body."""
    received: list[tuple[str, str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append((self.path, self.headers["Authorization"], body))
            self.send_response(status)
            self.send_header("Content-Length", "3")
            self.end_headers()
            self.wfile.write(b"why")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", received
        finally:
            server.shutdown()


async def test_a_batch_reaches_the_observer_with_the_token_of_the_moment(tmp_path: Path) -> None:
    token = tmp_path / "token"
    with observer(200) as (url, received):
        sink = ObserverSink(url, "churn", "of-churn", token)
        number = PredictedBy("Regression", units={"origin": 0.0, "scale": 2.0})
        sent: tuple[tuple[str, dict[str, PredictedBy]], ...] = (("first", {}), ("second", {"1": number}))
        for name, models in sent:
            token.write_text(f"{name}\n")
            await sink.send([prediction(1)], models)
    assert [(path, authorization) for path, authorization, _ in received] == [
        ("/v1/predictions", "Bearer first"),
        ("/v1/predictions", "Bearer second"),
    ]
    whole = {
        "namespace": "churn",
        "deployment": "of-churn",
        "predictions": [{"id": "1", "version": "1", "entity": "entity", "time": 0.0, "score": 0.5}],
    }
    of_number = {"1": {"task": "Regression", "units": {"origin": 0.0, "scale": 2.0}}}
    assert [json.loads(body) for *_, body in received] == [whole, {**whole, "models": of_number}]


async def test_a_batch_is_sent_with_the_models_that_predicted(counters: Counters) -> None:
    models = {"1": PredictedBy("MulticlassClassification", classes=["a", "b"])}
    sink = Collected()
    log = PredictionLog(sink, counters, models)
    log.put([Prediction("1", "1", "entity", 0.0, None, False, [0.25, 0.75])])
    await log.flush()
    assert sink.models == [models]


@pytest.mark.parametrize(
    ("status", "retryable", "split"),
    [(401, True, False), (500, True, False), (400, False, False), (413, False, False), (422, False, True)],
)
async def test_a_refusal_shows_what_can_be_done_with_the_batch(status: int, retryable: bool, split: bool) -> None:
    refusal = pytest.raises(DeliveryError, match=f"/v1/predictions: {status} why")
    with observer(status) as (url, _), refusal as refused:
        await ObserverSink(url, "churn", "churn").send([prediction(1)], {})
    assert (refused.value.retryable, refused.value.split) == (retryable, split)


async def test_an_observer_that_is_not_there_gets_the_batch_later() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with pytest.raises(DeliveryError, match="does not answer") as refused:
        await ObserverSink(f"http://127.0.0.1:{port}", "churn", "churn").send([prediction(1)], {})
    assert refused.value.retryable
