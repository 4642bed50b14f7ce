"""The data of the scenarios hold what their stories need: enough real rows, a shift that drift shows, and calm after it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from homeostat.enums import SignalState
from homeostat.signals.binning import fit
from homeostat.signals.drift import DriftEstimate, feature_drift, judge
from homeostat.signals.histogram import FeatureKind, bin_labels, count
from tools.cluster.settings import REPOSITORY
from tools.demo.rodents import NEWCOMER
from tools.demo.scenario import Scenario
from tools.demo.scenarios import SCENARIOS

OTHERS = [name for name in SCENARIOS if name != "churn"]
REQUESTS, PARTS = 3000, 12
"""Of one window of the stories' Monitors at the stories' rate."""


@pytest.fixture(scope="module")
def scenarios() -> Mapping[str, Scenario]:
    return {name: scenario() for name, scenario in SCENARIOS.items()}


def documents(scenario: Scenario) -> dict[str, Any]:
    """The objects of the scenario's samples by kind, but for those of Kubernetes' own kinds."""
    folder: Path = REPOSITORY / "manifests" / "samples" / scenario.name
    found = [each for path in sorted(folder.glob("*.yaml")) for each in yaml.safe_load_all(path.read_text())]
    return {each["kind"]: each for each in found if each["apiVersion"].startswith("homeostat.dev/")}


def window(scenario: Scenario, trained: pd.DataFrame, served: pd.DataFrame) -> DriftEstimate:
    """What a DataDrift signal of threshold 0.1 says of requests about `served` to a model that `trained` has trained."""
    columns = [str(name) for name in trained if name not in {scenario.entity, scenario.label}]
    kinds = {
        name: FeatureKind.CATEGORICAL if trained[name].dtype == object else FeatureKind.NUMERIC for name in columns
    }
    baseline = fit({name: trained[name].tolist() for name in columns}, kinds)
    requests = served.sample(REQUESTS, replace=len(served) < REQUESTS, random_state=7)
    parts = np.array_split(np.arange(REQUESTS), PARTS)
    drifts = []
    for feature in baseline.features:
        values = requests[feature.name].tolist()
        counts = [count(feature, [values[index] for index in part]) for part in parts]
        labels = bin_labels(feature)
        drifts.append(feature_drift(feature, [dict(zip(labels, map(float, row), strict=True)) for row in counts]))
    return judge(drifts, 0.1, 200)


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_has_five_thousand_rows_and_no_entity_twice(scenarios: Mapping[str, Scenario], name: str) -> None:
    scenario = scenarios[name]
    entities = [each for frame in (scenario.old, scenario.early, scenario.late) for each in scenario.entities(frame)]
    assert len(entities) == len(set(entities)) >= 5000
    assert scenario.outcomes().keys() == set(entities)


def test_the_classes_are_thirteen_and_one_of_them_comes_with_the_change(scenarios: Mapping[str, Scenario]) -> None:
    rodents = scenarios["rodents"]
    old, new = set(rodents.old["species_id"]), set(rodents.early["species_id"])
    assert len(old | new) == 13
    assert new - old == {NEWCOMER}
    assert (rodents.early["species_id"] == NEWCOMER).mean() > 0.3


@pytest.mark.parametrize("name", SCENARIOS)
def test_ordinary_traffic_is_calm(scenarios: Mapping[str, Scenario], name: str) -> None:
    scenario = scenarios[name]
    assert window(scenario, scenario.old, scenario.old).state is SignalState.WITHIN_BOUNDS


@pytest.mark.parametrize("name", OTHERS)
def test_the_change_is_a_drift_and_no_outage(scenarios: Mapping[str, Scenario], name: str) -> None:
    scenario = scenarios[name]
    seen = window(scenario, scenario.old, scenario.early)
    assert seen.state is SignalState.BREACHED, seen.sentence
    assert seen.null == ()
    assert len({*seen.moved, *seen.unseen}) > 1, "one feature alone could be a change of unit"


@pytest.mark.parametrize("name", OTHERS)
def test_a_model_trained_after_the_change_finds_the_rest_of_it_calm(
    scenarios: Mapping[str, Scenario], name: str
) -> None:
    scenario = scenarios[name]
    seen = window(scenario, scenario.early, pd.concat([scenario.early, scenario.late]))
    assert seen.state is SignalState.WITHIN_BOUNDS, seen.sentence


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_samples_name_what_the_scenario_has(scenarios: Mapping[str, Scenario], name: str) -> None:
    scenario, objects = scenarios[name], documents(scenarios[name])
    feature_set = objects["FeatureSet"]["spec"]
    assert feature_set["source"] == {"parquet": {"uri": scenario.source}}
    assert [each["name"] for each in feature_set["entities"]] == [scenario.entity]
    named = [each["name"] for each in feature_set["features"]]
    assert sorted(named) == sorted({str(each) for each in scenario.old} - {scenario.entity, scenario.label})
    training = objects["TrainingJob"]["spec"]
    assert training["dataset"]["labels"][0]["parquet"] == {"uri": scenario.label_files}
    assert training["dataset"]["labels"][0]["field"] == scenario.label
    assert training["output"] == {"model": scenario.name}
    signals = [each["name"] for each in objects["Monitor"]["spec"]["signals"]]
    assert signals == list(scenario.signals)
    assert {objects[kind]["metadata"]["name"] for kind in ("ModelDeployment", "Monitor")} == {scenario.name}
