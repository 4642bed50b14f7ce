"""The gate judges the bundle of every release on the dataset of that release; see the README of tests/upgrade."""

import json

import pytest

from homeostat.runs import EvaluateInput, EvaluateResult
from homeostat.signals import Verdict
from homeostat_pipelines import evaluate
from support.stored import UPGRADE, VERSIONS, bucket

OUTPUT = "s3://homeostat/churn/uid/evaluate-1/"


@pytest.mark.parametrize("version", VERSIONS)
def test_the_gate_judges_a_stored_model_on_its_stored_dataset(version: str) -> None:
    objects, records = bucket(version), json.loads((UPGRADE / version / "records.json").read_text())
    job = EvaluateInput.model_validate(
        {
            "namespace": "churn",
            "challenger": records["model"],
            "champion": records["model"],
            "dataset": {field: records["dataset"][field] for field in ("uri", "digest")},
            "gate": {"minimum": [{"metric": "auc", "value": "0.5"}], "mustBeat": [{"metric": "logloss"}]},
            "seed": 1,
            "output": OUTPUT,
        }
    )
    evaluate.run(job, objects)
    report = EvaluateResult.model_validate_json(objects.read(f"{OUTPUT}result.json")).report
    assert (report.verdict, report.rows) == (Verdict.HOLD, records["dataset"]["holdoutRows"]), "no model beats itself"
