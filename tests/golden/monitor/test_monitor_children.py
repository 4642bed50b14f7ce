import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from homeostat.api.v1alpha1.monitor import Monitor
from homeostat.api.v1alpha1.trainingjob import TrainingJob
from homeostat_operators.core.actions import CreateOnce
from homeostat_operators.monitor.observed import MonitorObservation
from homeostat_operators.monitor.plan import plan

HERE = Path(__file__).parent
CASES = sorted(path.stem for path in (HERE / "input").glob("*.yaml"))
NOW = datetime(2026, 1, 5, 9, 0, 10, tzinfo=UTC)


@pytest.mark.parametrize("case", CASES)
def test_the_training_job_is_the_recorded_one_and_valid(case: str) -> None:
    resource = Monitor.model_validate(yaml.safe_load((HERE / "input" / f"{case}.yaml").read_text()))
    (action,) = plan(resource, MonitorObservation(), NOW).actions
    assert isinstance(action, CreateOnce)
    TrainingJob.model_validate(action.manifest)
    golden = HERE / "output" / f"{case}.yaml"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(yaml.safe_dump(action.manifest, sort_keys=False))
    assert action.manifest == yaml.safe_load(golden.read_text())
