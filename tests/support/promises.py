"""What a training promises of a model, and what becomes of it on the events that follow."""

from dataclasses import dataclass
from typing import Any

from homeostat.artifacts.bundle import BundleRef
from homeostat.artifacts.dataset import LABEL
from homeostat.artifacts.holdout import Holdout
from homeostat.artifacts.model import MODEL, SIGNATURE, signature
from homeostat.artifacts.signature import Signature
from homeostat.artifacts.storage import fetch
from homeostat.engines.objects.memory import MemoryObjects
from homeostat.intervals import Z
from homeostat.runs import EvaluateInput, EvaluateResult, TrainResult
from homeostat.signals.comparison import compare
from homeostat.signals.gate import GateReport
from homeostat_pipelines import evaluate, steps
from homeostat_pipelines.signature import score_all
from support.stream import Stream

NOW = 140
"""Day at whose end a model is trained; its stream goes on for 60 more."""

Bounds = tuple[float, float, float]


@dataclass(frozen=True)
class Told:
    """A training at the end of a day, and its result."""

    stream: Stream
    objects: MemoryObjects
    result: TrainResult

    @property
    def promised(self) -> Bounds:
        """Skill as the training tells it, with its bounds."""
        beside = self.result.beside["skill"]
        assert beside.lower is not None
        assert beside.upper is not None
        return self.result.metrics["skill"], beside.lower, beside.upper

    def of(self, stored: BundleRef) -> Signature:
        return signature(fetch(self.objects, stored, [SIGNATURE]))

    def live(self, first: int, last: int) -> Bounds:
        """Skill of the served model on the events of later days, with its bounds; those of one day are not independent."""
        rows = self.stream.table((self.stream.days > first) & (self.stream.days <= last))
        files = fetch(self.objects, self.result.model, [MODEL, SIGNATURE])
        of = signature(files)
        outputs = score_all(files[MODEL], [rows], of.inputs)
        labels, days = rows.column(LABEL).to_numpy(), rows.column("day").to_pylist()
        (skill,) = [m for m in compare(of.predicts, labels, outputs, None, days) if m.name == "skill"]
        assert skill.challenger is not None
        assert skill.challenger_error is not None
        return (
            skill.challenger,
            skill.challenger - Z * skill.challenger_error,
            skill.challenger + Z * skill.challenger_error,
        )

    def judged_against(self, champion: BundleRef) -> GateReport:
        job: dict[str, Any] = {
            "namespace": "churn", "challenger": self.result.model, "champion": champion, "championVersion": "1", "seed": 1,
            "dataset": {"uri": self.result.dataset.uri, "digest": self.result.dataset.digest}, "output": "s3://homeostat/e/",
            "gate": {"nonInferior": [{"metric": "logloss"}]},
        }  # fmt: skip
        evaluate.run(EvaluateInput.model_validate(job), self.objects)
        return EvaluateResult.model_validate_json(self.objects.read("s3://homeostat/e/result.json")).report


def told(stream: Stream, holdout: Holdout, day: int = NOW, objects: MemoryObjects | None = None) -> Told:
    found, job = stream.store(day)
    if objects is not None:
        for uri in (job.feature_sets[0].snapshot_uri, f"{job.labels[0].uri}part-0.parquet"):
            objects.write(uri, found.read(uri))
        found = objects
    text = job.model_copy(update={"holdout": holdout}).model_dump_json(by_alias=True)
    data = steps.build_dataset(text, found)
    model = steps.train(text, data, {"max_iter": 60}, found)
    steps.assess(text, data, model, "", 0.0, objects=found)
    return Told(stream, found, TrainResult.model_validate_json(found.read(f"{job.output}result.json")))
