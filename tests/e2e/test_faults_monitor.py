"""A Monitor whose operator is killed in mid-work decides once."""

from collections.abc import Iterator
from typing import Any

import pytest

from support.platform.acting import apply, delete, kill, sample
from support.platform.watching import Watch
from tools.demo.release import Platform
from tools.demo.story import field

NAME = "impatient"
ASKED = f"{NAME}-retrain-1"
Object = dict[str, Any]

pytestmark = pytest.mark.usefixtures("story")


@pytest.fixture
def impatient(platform: Platform) -> Iterator[None]:
    """A Monitor of the story's model that no model can please; what it asks for is of another model, and suspended."""
    monitor = sample("40-monitor.yaml")
    monitor["metadata"]["name"] = NAME
    signals, retrain = monitor["spec"]["signals"], monitor["spec"]["retrain"]
    accuracy = next(signal for signal in signals if signal["type"] == "Performance")
    bound = {"operator": "GreaterThan", "value": "0.01"}
    monitor["spec"]["signals"] = [accuracy | {"threshold": bound, "window": "20s", "consecutive": 1, "minSamples": 20}]
    monitor["spec"]["retrain"] = retrain | {"requires": {"newLabels": 10}, "cooldown": "1h"}
    asked_for = retrain["template"]["spec"]
    asked_for |= {"output": {"model": "spare"}, "suspend": True}
    apply(platform, monitor)
    yield
    delete(platform, "monitor", NAME)
    delete(platform, "trainingjob", ASKED)


@pytest.mark.usefixtures("impatient")
def test_a_monitor_killed_in_mid_work_asks_for_one_training(platform: Platform, watch: Watch) -> None:
    watch.until("the breach shows", "monitor", NAME, lambda m: field(m, "status.breached") == "accuracy")
    kill(platform, "monitor")
    watch.until("a number is reserved", "monitor", NAME, lambda m: field(m, "status.retrains") == 1, seconds=300)
    kill(platform, "monitor")
    seen = watch.until("its training is seen", "monitor", NAME, lambda m: bool(field(m, "status.retraining.uid")))

    for name in (NAME, "churn"):
        _until_it_judges_on(platform, watch, name)

    decision = field(seen, "status.lastDecision")
    assert (decision["cause"], decision["action"], decision["trainingJob"]) == ("ConceptDrift", "Retrain", ASKED)
    assert _asked_by(platform, NAME) == [ASKED]
    assert len(_asked_by(platform, "churn")) == 1, "the story's own retraining"
    for name in (NAME, "churn"):
        assert field(platform.get("monitor", name), "status.retrains") == 1


def _until_it_judges_on(platform: Platform, watch: Watch, name: str) -> None:
    before = _judged(platform.get("monitor", name))
    watch.until(f"{name} judges on", "monitor", name, lambda m: _judged(m) != before)


def _judged(monitor: Object | None) -> list[str]:
    return [signal.get("judgedThrough", "") for signal in field(monitor, "status.signals") or []]


def _asked_by(platform: Platform, monitor: str) -> list[str]:
    """TrainingJobs that a Monitor asked for."""
    jobs = platform.listing("trainingjobs")
    return [job["metadata"]["name"] for job in jobs if field(job, "spec.trigger.ref.name") == monitor]
