"""A story's chapters act on the objects of its own scenario, and report what the cluster shows."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest
from rich.console import Console

from tools.cluster import settings
from tools.demo import __main__ as demo
from tools.demo import background, story
from tools.demo.release import Platform
from tools.demo.scenarios import SCENARIOS
from tools.demo.story import Story
from tools.demo.traffic import write_json
from tools.demo.values import Outputs

Object = dict[str, Any]
T = TypeVar("T")
LATER = "2100-01-01T00:00:00Z"
FIRST_OUTPUTS: dict[str, Outputs] = {
    "churn": {"probability": [0.25]},
    "flights": {"prediction": [231.4]},
    "rodents": {"probabilities": [0.2, 0.7, 0.1], "class": ["DM"]},
}


def _condition(kind: str, message: str = "") -> Object:
    return {"type": kind, "status": "True", "reason": kind, "message": message}


@dataclass(frozen=True)
class Twin(Platform):
    """A cluster on which everything that is waited for has happened; `done` holds what was asked of it."""

    signals: tuple[str, ...] = ()
    done: list[str] = field(default_factory=list)
    decisions: list[str] = field(default_factory=lambda: ["UnprovenShift", "CovariateShift"])

    def kubectl(self, *arguments: str, **_: Any) -> str:
        self.done.append(" ".join(arguments))
        return '{"items": []}'

    @property
    def program(self) -> str:
        return "kubectl"

    def get(self, kind: str, name: str, namespace: str = "") -> Object:
        self.done.append(f"{namespace or self.namespace}/{kind}/{name}")
        rows = 10_000 * len(self.done)  # every materialisation brings enough
        status: Object = {
            "featureset": {"snapshot": {"version": 1, "rows": rows}, "lastMaterialization": {"through": LATER}},
            "trainingjob": self._training(name),
            "modeldeployment": {
                "stable": {"version": 2, "since": "2020-01-01T00:00:00Z"}, "url": "http://gateway",
                "gate": {"messages": ["enough"], "metrics": [{"name": "loss", "challenger": "0.1", "champion": "0.2"}]},
            },
            "monitor": {"signals": [self._signal(name) for name in self.signals]},
        }[kind]  # fmt: skip
        if kind == "monitor" and any("annotate" in each for each in self.done):
            status["lastDecision"] = self._decision()
        return {"status": {**status, "conditions": [_condition("Ready"), _condition("Succeeded")]}}

    def _training(self, name: str) -> Object:
        version = 1 if name.endswith("-first") else 2
        return {
            "dataset": {"rows": 800, "holdoutRows": 200}, "metrics": [{"name": "loss", "value": "0.5"}],
            "model": {"version": version},
        }  # fmt: skip

    def _signal(self, name: str) -> Object:
        return {"name": name, "state": "WithinBounds", "message": f"{name} is calm", "judgedThrough": LATER}

    def _decision(self) -> Object:
        cause = self.decisions.pop(0) if len(self.decisions) > 1 else self.decisions[0]
        job = {"trainingJob": "retrain-1"} if cause == "CovariateShift" else {}
        return {"cause": cause, "reason": "r", "action": "a", "message": "because", "time": LATER, **job}


class Running:
    """The traffic's process, which never ends."""

    def poll(self) -> None:
        return None


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the twin shows in none of a hundred looks it never shows."""

    def soon(what: str, read: Callable[[], T], done: Callable[[T], object] = bool, *_: Any, **__: Any) -> T:
        for _look in range(100):
            if done(value := read()):
                return value
        raise AssertionError(f"{what}: {value}")

    monkeypatch.setattr(story, "until", soon)


@pytest.fixture
def reported(monkeypatch: pytest.MonkeyPatch) -> Console:
    console = Console(record=True, width=400, no_color=True, force_terminal=False)
    for module in (story, demo):
        monkeypatch.setattr(module, "console", console)
    return console


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Files in the object store."""
    files: list[str] = []
    monkeypatch.setattr(Story, "_store", lambda _, contents: files.extend(contents))
    return files


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_story_runs_from_features_to_recovery_in_the_namespace_of_its_scenario(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reported: Console, written: list[str]
) -> None:
    scenario = SCENARIOS[name]()

    def start(directory: Path, *_: str) -> Running:
        counts = {"sent": 9, "answered": 9, "failed": 0, "outcomes": 8, "by_version": {"1": 5, "2": 4}}
        write_json(directory / "counts.json", {**counts, "last_outputs": FIRST_OUTPUTS[name]})
        return Running()

    monkeypatch.setattr(background, "start", start)
    twin = Twin(settings.Settings(state=tmp_path, slot=1, cache=tmp_path), signals=scenario.signals)
    assert demo.run(Story(twin, scenario)) == 0

    text = reported.export_text()
    for sentence in (
        scenario.opening, f"{name}-first trained on 800 {scenario.rows} as version 1; on 200 untouched ones: loss 0.500",
        f"latest prediction: {scenario.answer(FIRST_OUTPUTS[name])}", "calm: drift is calm", scenario.change,
        "the Monitor created TrainingJob retrain-1", "v2 promoted", "9 requests, 0 failed; 8 outcomes posted",
    ):  # fmt: skip
        assert sentence in text, sentence
    assert written == [
        f"{scenario.source}old.parquet", f"{scenario.label_files}old.parquet",
        f"{scenario.source}{scenario.arrival}.parquet", f"{scenario.source}late.parquet",
    ]  # fmt: skip
    objects = [each for each in twin.done if each.startswith(f"{name}/")]
    assert {each.rpartition("/")[2] for each in objects} == {name, f"{name}-first", "retrain-1", scenario.feature_set}
    assert any(each.startswith(f"-n {name} create token {name}-outcomes") for each in twin.done)
