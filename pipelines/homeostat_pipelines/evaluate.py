"""The gate's evaluation: challenger and champion on the holdout of a dataset, rows that neither has seen."""

from decimal import Decimal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from homeostat.api.v1alpha1.gate import Gate
from homeostat.artifacts.bundle import BundleRef
from homeostat.artifacts.dataset import HOLDOUT, LABEL
from homeostat.artifacts.model import MODEL, SIGNATURE
from homeostat.artifacts.model import signature as signature_in
from homeostat.artifacts.storage import fetch
from homeostat.engines.objects import ObjectStore
from homeostat.enums import Metric
from homeostat.reconcile.errors import InvalidData
from homeostat.runs import EvaluateInput, EvaluateResult
from homeostat.signals.gate import GateRule, RuleKind, judge_gate
from homeostat_pipelines import dataset, signature
from homeostat_pipelines.report import Report

STEPS = ("score", "judge")


def run(job: EvaluateInput, objects: ObjectStore) -> None:
    """Judges the challenger and reports the verdict.

    Raises:
        InvalidData: A model or the dataset is gone, was changed, or does not fit the other.
        EngineUnavailable: The object store does not answer.
    """
    report = Report(objects, job.output)
    report.progress("score", 0, len(STEPS))
    challenger = _Model(objects, job.challenger)
    champion = None if job.champion is None else _Model(objects, job.champion)
    holdout = _unseen(dataset.read(objects, job.dataset, HOLDOUT), [m for m in (challenger, champion) if m])
    scores = challenger.scores(holdout), None if champion is None else champion.scores(holdout)
    report.progress("judge", 1, len(STEPS))
    verdict = judge_gate(
        rules_of(job.gate),
        holdout.column(LABEL).to_numpy(),
        *scores,
        holdout.column(challenger.signature.entity).to_pylist(),
        seed=job.seed,
    )
    report.result(EvaluateResult(report=verdict))


def rules_of(gate: Gate) -> list[GateRule]:
    """The rules of a spec as the arithmetic takes them."""
    minimum = [_rule(RuleKind.MINIMUM, rule.metric, rule.value) for rule in gate.minimum]
    beat = [_rule(RuleKind.MUST_BEAT, rule.metric, rule.margin) for rule in gate.must_beat]
    no_worse = [_rule(RuleKind.NON_INFERIOR, rule.metric, rule.margin) for rule in gate.non_inferior]
    return [*minimum, *beat, *no_worse]


def _rule(kind: RuleKind, metric: Metric, bound: str | None) -> GateRule:
    return GateRule(kind=kind, metric=metric, bound=None if bound is None else float(Decimal(bound)))


class _Model:
    """A stored model, checked against its digest."""

    def __init__(self, objects: ObjectStore, stored: BundleRef) -> None:
        files = fetch(objects, stored, [MODEL, SIGNATURE])
        self.signature = signature_in(files)
        self._content = files[MODEL]

    def scores(self, rows: pa.Table) -> NDArray[np.float64]:
        return signature.score(self._content, signature.feeds(rows, self.signature.inputs))


def _unseen(holdout: pa.Table, models: list[_Model]) -> pa.Table:
    """The rows that none of the models was trained on: the holdout may have grown since one of them was made.

    Raises:
        InvalidData: Too few are left.
    """
    rows = holdout
    for each in models:
        of, percent = each.signature, each.signature.holdout_percent
        if percent is not None:
            _, rows = dataset.split(rows, of.model, of.entity, percent)
    if rows.num_rows < min(dataset.LEAST_HOLDOUT, holdout.num_rows):
        raise InvalidData(
            f"of {holdout.num_rows} rows of the holdout {rows.num_rows} were seen by neither model; at least "
            f"{dataset.LEAST_HOLDOUT} are required; spec.dataset.holdout.percent of a TrainingJob may shrink, but not grow"
        )
    return rows
