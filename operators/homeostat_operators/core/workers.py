"""Threads that reconcile, and their metrics."""

import threading
import time
from collections.abc import Callable
from functools import partial

import structlog
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

from homeostat import telemetry
from homeostat.reconcile.errors import EngineUnavailable, PlatformError
from homeostat_operators.core.clients import Clients
from homeostat_operators.core.loop import (
    REFUSED_RETRY,
    AnyOperator,
    ReconcileOutcome,
    ReconcileResult,
    clock,
    reconcile,
)
from homeostat_operators.core.workqueue import Key, WorkQueue

WORKERS = 4
SWEEP_SECONDS = 15.0
UNEXPECTED = "unexpected"

log = structlog.get_logger(__name__)


class Workers:
    """A few threads that take keys from a queue and reconcile them.

    The timeouts of the clients bound each reconciliation, so no thread blocks for ever. One more thread sweeps, for a kind
    that leaves something behind that Kubernetes does not delete with the object.
    """

    def __init__(
        self,
        operator: AnyOperator,
        clients: Clients,
        queue: WorkQueue,
        registry: CollectorRegistry = REGISTRY,
        sweep_seconds: float = SWEEP_SECONDS,
    ) -> None:
        self._operator = operator
        self._clients = clients
        self._queue = queue
        self._kind = operator.resource.KIND
        self._reconciles = Counter(*telemetry.RECONCILES.declaration, registry=registry)
        self._seconds = Histogram(*telemetry.RECONCILE_SECONDS.declaration, registry=registry)
        depth = Gauge(*telemetry.QUEUE_DEPTH.declaration, registry=registry)
        depth.labels(self._kind).set_function(lambda: len(queue))
        self._threads = [
            threading.Thread(target=self._work, name=f"worker-{number}", daemon=True) for number in range(WORKERS)
        ]
        self._stopped = threading.Event()
        self._sweep_seconds = sweep_seconds
        if operator.sweep is not None:
            sweep = partial(self._sweep, operator.sweep)
            self._threads.append(threading.Thread(target=sweep, name="sweeper", daemon=True))

    def start(self) -> None:
        """Starts the threads."""
        for thread in self._threads:
            thread.start()

    def alive(self) -> bool:
        """Whether all threads run."""
        return all(thread.is_alive() for thread in self._threads)

    def stop(self, patience: float) -> None:
        """Lets every thread finish its reconciliation, for at most ``patience`` seconds; all of it can be repeated."""
        self._queue.close()
        self._stopped.set()
        deadline = time.monotonic() + patience
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _work(self) -> None:
        while (key := self._queue.take()) is not None:
            with self._seconds.labels(self._kind).time():
                outcome = self._reconcile(key)
            self._reconciles.labels(self._kind, outcome).inc()

    def _sweep(self, sweep: Callable[[Clients], None]) -> None:
        while not self._stopped.wait(self._sweep_seconds):
            try:
                sweep(self._clients)
            except PlatformError as error:
                log.warning("not swept", kind=self._kind, detail=str(error))
            except Exception:
                log.exception("unexpected", kind=self._kind, key="sweep")

    def _reconcile(self, key: Key) -> str:
        try:
            result = reconcile(self._operator, self._clients, key, clock())
        except EngineUnavailable as error:  # the Kubernetes API itself: only the log can record it
            log.warning("unavailable", kind=self._kind, key=str(key), detail=str(error))
            result = ReconcileResult(ReconcileOutcome.UNAVAILABLE, error.retry_in)
        except PlatformError as error:  # not even the status may be written, as in a namespace that is being deleted
            log.warning("refused", kind=self._kind, key=str(key), detail=str(error))
            result = ReconcileResult(ReconcileOutcome.REFUSED, REFUSED_RETRY)
        except Exception:
            delay = self._queue.failed(key)
            log.exception("unexpected", kind=self._kind, key=str(key), again_in_seconds=delay.total_seconds())
            return UNEXPECTED
        self._queue.done(key, result.requeue_after)
        return result.outcome.value
