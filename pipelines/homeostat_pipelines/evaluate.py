"""The gate's evaluation: challenger and champion on the holdout of a dataset, rows that neither has seen."""

from decimal import Decimal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from homeostat.api.v1alpha1.modeldeployment import Gate
from homeostat.engines.objects import ObjectStore
from homeostat.runs import EvaluateInput, EvaluateResult, StoredModel
from homeostat.signals.estimate import Metric
from homeostat.signals.gate import GateRule, RuleKind, judge_gate
from homeostat_pipelines import bundles, dataset, signature
from homeostat_pipelines.labels import LABEL
from homeostat_pipelines.report import Report
from homeostat_pipelines.signature import Signature

STEPS = ("score", "judge")


def run(job: EvaluateInput, objects: ObjectStore) -> None:
    """Judges the challenger and reports the verdict.

    Raises:
        InvalidData: A model or the dataset is gone, was changed, or does not fit the other.
        EngineUnavailable: The object store does not answer.
    """
    report = Report(objects, job.output)
    report.progress("score", 0, len(STEPS))
    holdout = dataset.read(objects, job.dataset, dataset.HOLDOUT)
    entity, challenger = _scored(objects, job.challenger, holdout)
    champion = None if job.champion is None else _scored(objects, job.champion, holdout)[1]
    report.progress("judge", 1, len(STEPS))
    verdict = judge_gate(
        rules_of(job.gate),
        holdout.column(LABEL).to_numpy(),
        challenger,
        champion,
        holdout.column(entity).to_pylist(),
        seed=job.seed,
    )
    report.result(EvaluateResult(report=verdict))


def rules_of(gate: Gate) -> list[GateRule]:
    """The rules of a spec as the arithmetic takes them."""
    minimum = [_rule(RuleKind.MINIMUM, rule.metric, rule.value) for rule in gate.minimum]
    beat = [_rule(RuleKind.MUST_BEAT, rule.metric, rule.margin) for rule in gate.must_beat]
    no_worse = [_rule(RuleKind.NON_INFERIOR, rule.metric, rule.margin) for rule in gate.non_inferior]
    return [*minimum, *beat, *no_worse]


def _rule(kind: RuleKind, metric: str, bound: str | None) -> GateRule:
    return GateRule(kind=kind, metric=Metric(metric), bound=None if bound is None else float(Decimal(bound)))


def _scored(objects: ObjectStore, model: StoredModel, holdout: pa.Table) -> tuple[str, NDArray[np.float64]]:
    """Entity column of a model, and its scores."""
    files = bundles.fetch(objects, model, [signature.MODEL, signature.SIGNATURE])
    described = Signature.model_validate_json(files[signature.SIGNATURE])
    return described.entity, signature.score(files[signature.MODEL], signature.feeds(holdout, described.inputs))
