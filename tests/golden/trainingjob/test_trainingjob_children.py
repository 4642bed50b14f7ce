import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from homeostat.api.v1alpha1 import FeatureSet, TrainingJob
from homeostat.api.v1alpha1.pods import TaintEffect, Toleration, TolerationOperator
from homeostat.artifacts.features import schema_hash
from homeostat.engines.runs.jobs import run_job
from homeostat.engines.runs.packages import bundled
from homeostat.pod_settings import NodePool
from homeostat.testing.builders import DIGEST, a_feature_set
from homeostat_operators.core.actions import Launch
from homeostat_operators.trainingjob.observed import TrainingJobObservation
from homeostat_operators.trainingjob.plan import plan

HERE = Path(__file__).parent
CASES = sorted(path.stem for path in (HERE / "input").glob("*.yaml"))
NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)
POOL = NodePool(
    node_selector={"homeostat.dev/pool": "gpu-a100"},
    tolerations=[Toleration(key="nvidia.com/gpu", operator=TolerationOperator.EXISTS, effect=TaintEffect.NO_SCHEDULE)],
)


def the_features() -> FeatureSet:
    """FeatureSet `customers` with a snapshot of its present features."""
    snapshot = {"version": 1, "digest": DIGEST, "uri": "s3://homeostat/snapshot/", "rows": 100}
    return a_feature_set(status={"snapshot": snapshot, "schema_hash": schema_hash(a_feature_set())})


OBSERVED = TrainingJobObservation(
    bucket="homeostat",
    image="homeostat/pipelines:1",
    pools={"gpu-a100": POOL},
    package=bundled(HERE.parents[2] / "pipelines" / "compiled", "tabular"),
    features={"customers": the_features()},
    deployments=frozenset({"churn"}),
)


@pytest.mark.parametrize("case", CASES)
def test_objects_asked_for_are_the_recorded_ones(case: str) -> None:
    resource = TrainingJob.model_validate(yaml.safe_load((HERE / "input" / f"{case}.yaml").read_text()))
    actions = plan(resource, OBSERVED, NOW).actions
    made = yaml.safe_dump_all([run_job(a.request) for a in actions if isinstance(a, Launch)], sort_keys=False)
    golden = HERE / "output" / f"{case}.yaml"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(made)
    assert list(yaml.safe_load_all(made)) == list(yaml.safe_load_all(golden.read_text()))


@pytest.mark.parametrize("case", CASES)
def test_children_inherit_no_labels_or_annotations_of_their_parent(case: str) -> None:
    assert "argocd" not in (HERE / "output" / f"{case}.yaml").read_text()
