import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from homeostat.api.v1alpha1.modeldeployment import ModelDeployment
from homeostat.artifacts.bundle import BundleRef
from homeostat.engines.runs.jobs import run_job
from homeostat.engines.serving import Serving
from homeostat_operators.core.actions import Action, Apply, Launch
from homeostat_operators.modeldeployment.observed import Available, Installation, ModelDeploymentObservation
from homeostat_operators.modeldeployment.plan import plan

HERE = Path(__file__).parent
CASES = sorted(path.stem for path in (HERE / "input").glob("*.yaml"))
NOW = datetime(2026, 1, 5, 9, 0, 10, tzinfo=UTC)
INSTALLATION = Installation("homeostat", "homeostat/services:1", "homeostat/pipelines:1", "http://127.0.0.1:30080")
READY = Serving(desired=2, ready=2, current=True, has_service=True)


def a_version(number: str) -> Available:
    return Available(
        version=number,
        digest=f"sha256:{number * 64}",
        uri=f"s3://homeostat/churn/models/churn/{number * 4}",
        training_job=f"churn-{number}",
        feature_sets=("customers",),
        dataset=BundleRef(uri="s3://homeostat/churn/datasets/abcd", digest=f"sha256:{'ab' * 32}"),
    )


def objects_of(action: Action) -> list[dict[str, Any]]:
    match action:
        case Apply(manifest):
            return [manifest]
        case Launch(request=request):
            return [run_job(request)]
        case _:
            return []


@pytest.mark.parametrize("case", CASES)
def test_objects_asked_for_are_the_recorded_ones(case: str) -> None:
    resource = ModelDeployment.model_validate(yaml.safe_load((HERE / "input" / f"{case}.yaml").read_text()))
    versions = (a_version("1"), a_version("2"))
    engine = resource.spec.engine.value if resource.spec.engine else "Deployment"
    observed = ModelDeploymentObservation(INSTALLATION, engine, versions=versions, servings={"1": READY})
    actions = plan(resource, observed, NOW).actions
    made = yaml.safe_dump_all([manifest for a in actions for manifest in objects_of(a)], sort_keys=False)
    golden = HERE / "output" / f"{case}.yaml"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(made)
    assert list(yaml.safe_load_all(made)) == list(yaml.safe_load_all(golden.read_text()))


@pytest.mark.parametrize("case", CASES)
def test_children_inherit_no_labels_or_annotations_of_their_parent(case: str) -> None:
    assert "argocd" not in (HERE / "output" / f"{case}.yaml").read_text()
