"""The scenarios of a number and of a class in one process: what their samples ask of models is what models reach on real data."""

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from homeostat.artifacts.bundle import BundleRef
from homeostat.engines.objects.memory import MemoryObjects
from homeostat.enums import Operator
from homeostat.intervals import Estimate
from homeostat.runs import EvaluateInput, EvaluateResult, FeatureSource, TrainResult
from homeostat.signals.gate import GateReport, Verdict
from homeostat_pipelines import evaluate, expectations, families, materialize, training
from homeostat_pipelines.data_warnings import DataWarnings
from homeostat_services.predictor.model import load
from support.tables import OUTPUT, SNAPSHOT, feature_source, label_input, materialize_input, train_input
from tools.cluster.settings import REPOSITORY
from tools.demo.scenarios import SCENARIOS

NAMES = ("flights", "rodents")
ROWS, TREES = 1500, "40"
"""Of each part: fewer than in the stories, so that a training takes a second."""
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def sample(name: str, file: str) -> dict[str, Any]:
    return dict(yaml.safe_load((REPOSITORY / "manifests" / "samples" / name / file).read_text())["spec"])


class World:
    """The files of a scenario, and the models that are trained before and after its change."""

    def __init__(self, name: str) -> None:
        self.scenario = scenario = SCENARIOS[name]()
        self.old, self.early = scenario.old.head(ROWS), scenario.early.sample(ROWS, random_state=1)
        everything = pd.concat([scenario.old, scenario.early, scenario.late])
        rows = pd.concat([self.old, self.early]).sort_values(scenario.entity)  # as a snapshot is
        self.objects = MemoryObjects(
            {
                f"{scenario.source}part-0.parquet": scenario.features(everything, NOW),
                SNAPSHOT: scenario.features(rows, NOW - timedelta(hours=2)),
                f"{scenario.label_files}old.parquet": scenario.labels(self.old, NOW),
                f"{scenario.label_files}new.parquet": scenario.labels(self.early, NOW),
            }
        )
        self.v1, self.v2 = self._trained("20-trainingjob.yaml", "old"), self._trained("20-trainingjob.yaml", "new")

    def described(self) -> FeatureSource:
        spec = sample(self.scenario.name, "10-featureset.yaml")
        return feature_source(name=self.scenario.feature_set, entities=spec["entities"], features=spec["features"])

    def _trained(self, file: str, part: str) -> TrainResult:
        spec = sample(self.scenario.name, file)
        label = label_input(f"{self.scenario.label_files}{part}.parquet", self.scenario.label)
        job = train_input(
            namespace=self.scenario.name, model=spec["output"]["model"], feature_sets=[self.described()],
            labels=[label.model_copy(update={"entity_field": self.scenario.entity})],
            task=spec["dataset"]["target"]["task"], pipeline=spec["pipeline"]["name"], seed=spec["seed"],
            parameters={"max_iter": TREES},
        )  # fmt: skip
        training.run(job, self.objects)
        return TrainResult.model_validate_json(self.objects.read(f"{OUTPUT}result.json"))

    def judged(self, challenger: TrainResult, champion: TrainResult | None) -> GateReport:
        job = {
            "namespace": self.scenario.name, "challenger": challenger.model,
            "champion": champion.model if champion else None,
            "dataset": BundleRef(uri=challenger.dataset.uri, digest=challenger.dataset.digest),
            "gate": sample(self.scenario.name, "30-modeldeployment.yaml")["promotion"]["gate"], "seed": 1, "output": OUTPUT,
        }  # fmt: skip
        evaluate.run(EvaluateInput.model_validate(job), self.objects)
        return EvaluateResult.model_validate_json(self.objects.read(f"{OUTPUT}result.json")).report

    def performance(self, trained: TrainResult, served: pd.DataFrame, metric: str) -> Estimate:
        """What a cohort of predictions for these rows says."""
        model = load(self.objects, trained.model.uri, trained.model.digest)
        outputs = model.scores({each.name: _values(served[each.name]) for each in model.signature.inputs})
        found = model.signature.predicts.cohort(outputs, served[self.scenario.label].tolist()).estimate(metric)
        assert found is not None
        return found


def _values(column: pd.Series) -> list[Any]:
    return [None if pd.isna(value) else value for value in column.tolist()]


@cache
def world(name: str) -> World:
    return World(name)


@pytest.mark.parametrize("name", NAMES)
def test_the_sources_are_what_the_feature_set_declares_and_no_expectation_blocks_them(name: str) -> None:
    there, spec = world(name), sample(name, "10-featureset.yaml")
    job = materialize_input(
        feature_set=there.described(), source_uri=there.scenario.source, expectations=spec["expectations"]
    )
    checks = expectations.Checks(job.expectations, there.scenario.entity)
    rows = 0
    uris = [file.uri for file in materialize.source_files(job, there.objects)]
    for piece in materialize.read_source(job, there.objects, uris, DataWarnings()):
        checks.add(piece)
        rows += piece.num_rows
    assert not expectations.blocked(checks.outcomes())
    assert rows == len(there.scenario.outcomes())


@pytest.mark.parametrize("name", NAMES)
def test_the_gate_of_the_sample_lets_the_first_model_and_then_the_retrained_one_pass(name: str) -> None:
    there = world(name)
    assert there.judged(there.v1, None).verdict is Verdict.PROMOTE
    report = there.judged(there.v2, there.v1)
    assert report.verdict is Verdict.PROMOTE, [rule.sentence for rule in report.rules]


@pytest.mark.parametrize("name", NAMES)
def test_the_performance_signal_of_the_sample_breaches_after_the_change_and_not_before_or_with_the_new_model(
    name: str,
) -> None:
    there = world(name)
    [signal] = [each for each in sample(name, "40-monitor.yaml")["signals"] if each["type"] == "Performance"]
    bound = float(signal["threshold"]["value"])

    def breached(trained: TrainResult, served: pd.DataFrame) -> bool:
        seen = there.performance(trained, served, signal["metric"])
        larger = signal["threshold"]["operator"] == Operator.GREATER_THAN
        return seen.lower > bound if larger else seen.upper < bound

    assert not breached(there.v1, there.old)
    assert breached(there.v1, there.early)
    assert not breached(there.v2, there.early)
    assert not breached(there.v2, there.scenario.late)


def test_rare_classes_do_not_make_the_default_model_diverge() -> None:
    scenario = world("rodents").scenario
    captures = pd.concat([scenario.early, scenario.late])
    matrix = captures[["hindfoot_length", "weight", "month", "plot_id"]].to_numpy(float)
    species, label = np.unique(captures[scenario.label].to_numpy(str), return_inverse=True)
    untouched = np.arange(label.size) % 2 == 0
    fitted = families.chosen({}).fit(matrix[~untouched], label[~untouched], species.size, 0)
    named = fitted.outputs(matrix[untouched]).argmax(axis=1)
    assert (named == label[untouched]).mean() > 0.85
