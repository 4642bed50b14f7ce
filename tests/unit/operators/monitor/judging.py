"""Signals of the churn example, two windows of theirs, and the status after some windows were judged."""

from typing import Any

from homeostat.api.v1alpha1.modeldeployment import ServedVersion
from homeostat.api.v1alpha1.signals import Signal, SignalStatus
from homeostat.signals import Window
from homeostat.testing.builders import a_monitor
from homeostat_operators.monitor import judgement
from homeostat_operators.monitor.observed import SignalData
from unit.operators.monitor.world import BUSINESS, DIGEST, MINUTE, START

DRIFT, LOSS = a_monitor().spec.signals
RETAINED = Signal.model_validate(BUSINESS)
STABLE = ServedVersion(version="1", digest=DIGEST, uri="s3://homeostat/m", since=START)
FIRST = Window(START, START + MINUTE)
SECOND = Window(START + MINUTE, START + 2 * MINUTE)
NOW = START + 10 * MINUTE


def a_status(**fields: Any) -> SignalStatus:
    return SignalStatus.model_validate({"name": "logloss", "state": "WithinBounds", "version": "1", **fields})


def after(signal: Signal, *windows: Any, old: SignalStatus | None = None, **data: Any) -> SignalStatus:
    return judgement.status_of(signal, old, SignalData(windows, **data), STABLE, NOW)
