"""The gate's evaluation: challenger and champion on the holdout of a dataset, rows that neither has seen."""

from decimal import Decimal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from homeostat import tasks
from homeostat.api.v1alpha1.gate import Gate
from homeostat.artifacts.bundle import BundleRef
from homeostat.artifacts.dataset import HOLDOUT, LABEL, TIME
from homeostat.artifacts.model import MODEL, SIGNATURE
from homeostat.artifacts.model import signature as signature_in
from homeostat.artifacts.signature import Origin, Signature
from homeostat.artifacts.storage import fetch
from homeostat.engines.objects import ObjectStore
from homeostat.reconcile.errors import InvalidData
from homeostat.runs import EvaluateInput, EvaluateResult, FeatureSource
from homeostat.signals.gate import GateRule, RuleKind, judge_gate
from homeostat.tasks import Task
from homeostat_pipelines import dataset, signature
from homeostat_pipelines.join import features_at
from homeostat_pipelines.pieces import rows_per_piece
from homeostat_pipelines.report import Report
from homeostat_pipelines.values import ARROW

STEPS = ("score", "judge")


def run(job: EvaluateInput, objects: ObjectStore) -> None:
    """Judges the challenger and reports the verdict.

    Raises:
        InvalidData: A model or the dataset is gone, was changed, or does not fit the other, or the task of the new version does
            not have a metric of the gate.
        EngineUnavailable: The object store does not answer.
    """
    report = Report(objects, job.output)
    report.progress("score", 0, len(STEPS))
    challenger = _Model(objects, job.challenger).judged(objects)
    champion = None if job.champion is None else _Model(objects, job.champion)
    rules = rules_of(job.gate)
    _check_metrics(rules, challenger.signature.predicts)
    holdout = _unseen(dataset.read(objects, job.dataset, HOLDOUT), [m for m in (challenger, champion) if m])
    outputs = challenger.outputs(holdout), _champion_outputs(job, objects, challenger, champion, holdout)
    report.progress("judge", 1, len(STEPS))
    task, new, old = _comparable(challenger, champion, *outputs)
    verdict = judge_gate(
        rules,
        task,
        holdout.column(LABEL).to_numpy(),
        new,
        old,
        dataset.clusters(challenger.signature, holdout.column),
        seed=job.seed,
    )
    report.result(EvaluateResult(report=verdict))


def _check_metrics(rules: list[GateRule], task: Task) -> None:
    if why := tasks.lacking(task, (rule.metric for rule in rules)):
        raise InvalidData(f"{why}; correct spec.promotion.gate")


def _comparable(
    challenger: "_Model", champion: "_Model | None", new: NDArray[np.float64], old: NDArray[np.float64] | None
) -> tuple[Task, NDArray[np.float64], NDArray[np.float64] | None]:
    """The task that judges both models, and their outputs as outputs of it."""
    of = challenger.signature.predicts
    if champion is None or old is None:
        return of, new, None
    task = of.joined(champion.signature.predicts)
    return task, task.adopted(new, of), task.adopted(old, champion.signature.predicts)


def _champion_outputs(
    job: EvaluateInput, objects: ObjectStore, challenger: "_Model", champion: "_Model | None", holdout: pa.Table
) -> NDArray[np.float64] | None:
    """The champion on the rows of the holdout, with its own features; None if the gate compares nothing that it could score.

    Raises:
        InvalidData: The gate compares, and the champion is of another task, or a feature of it is nowhere to be had.
    """
    if champion is None:
        return None
    compares = bool(job.gate.must_beat or job.gate.non_inferior)
    named = f"the champion{f', version {job.champion_version},' if job.champion_version else ''}"
    alone = (
        "leave out mustBeat and nonInferior in spec.promotion.gate to judge the new version without a comparison; then try the "
        "version again"
    )
    old, new = champion.signature, challenger.signature
    if old.task != new.task:
        if not compares:
            return None
        raise InvalidData(
            f"{named} is of task {old.task} and the new version of {new.task}, which have no metric in common: serve the new one "
            f"by a ModelDeployment of its own, or {alone}"
        )
    rows = _with_features(objects, holdout, old, new, job.champion_sources)
    looked_up = {i.name for i in new.inputs if i.origin is Origin.LOOKUP}
    there = {*rows.column_names} - (looked_up & old.sent.keys())  # of one name, but not what callers send
    lacking = next((i for i in old.inputs if i.name not in there), None)
    if lacking is None:
        return champion.outputs(rows)
    if not compares:
        return None
    if lacking.origin is Origin.REQUEST:
        raise InvalidData(
            f"{named} needs feature {lacking.name!r} of its requests, which the dataset of the new version does not have as one: "
            f"name it in spec.dataset.requestFeatures of the training, or {alone}"
        )
    raise InvalidData(
        f"{named} needs feature {lacking.name!r} of FeatureSet {lacking.feature_set}, which the dataset of the new version does "
        f"not have and that FeatureSet does not provide any more: create and materialise it with this feature, or {alone}"
    )


def _with_features(
    objects: ObjectStore, holdout: pa.Table, champion: Signature, challenger: Signature, sources: list[FeatureSource]
) -> pa.Table:
    """The holdout with the champion's features of FeatureSets that the dataset was not made of, as known at each label."""
    origins = {i.name: i.feature_set for i in challenger.inputs}
    for source in sources:
        (entity,) = source.entities
        needed = {i.name for i in champion.inputs if i.feature_set == source.name != origins.get(i.name)}
        features = [feature for feature in source.features if feature.name in needed]
        if not features or entity.name not in challenger.keyed.values():
            continue
        keys = holdout.column(entity.name)
        if ARROW[entity.type.value] != keys.type:
            continue
        joined = features_at(objects, source.model_copy(update={"features": features}), keys, holdout.column(TIME))
        for name, column in joined.items():
            kept = [other for other in holdout.column_names if other != name]
            holdout = holdout.select(kept).append_column(name, column)
    return holdout


def rules_of(gate: Gate) -> list[GateRule]:
    """The rules of a spec as the arithmetic takes them."""
    minimum = [_rule(RuleKind.MINIMUM, rule.metric, rule.value) for rule in gate.minimum]
    beat = [_rule(RuleKind.MUST_BEAT, rule.metric, rule.margin) for rule in gate.must_beat]
    no_worse = [_rule(RuleKind.NON_INFERIOR, rule.metric, rule.margin) for rule in gate.non_inferior]
    return [*minimum, *beat, *no_worse]


def _rule(kind: RuleKind, metric: str, bound: str | None) -> GateRule:
    return GateRule(kind=kind, metric=metric, bound=None if bound is None else float(Decimal(bound)))


class _Model:
    """A stored model, checked against its digest."""

    def __init__(self, objects: ObjectStore, stored: BundleRef) -> None:
        files = fetch(objects, stored, [MODEL, SIGNATURE])
        self.signature = signature_in(files)
        self._content = files[MODEL]

    def judged(self, objects: ObjectStore) -> "_Model":
        """The model that was trained without the holdout, where this one is trained on all rows."""
        return self if self.signature.judged is None else _Model(objects, self.signature.judged)

    def outputs(self, rows: pa.Table) -> NDArray[np.float64]:
        size = rows_per_piece(len(self.signature.inputs))
        pieces = (rows.slice(start, size) for start in range(0, rows.num_rows, size))
        return signature.score_all(self._content, pieces, self.signature.inputs)


def _unseen(holdout: pa.Table, models: list[_Model]) -> pa.Table:
    """The rows that none of the models was trained on: the holdout may have grown since one of them was made.

    Raises:
        InvalidData: Too few are left.
    """
    rows = holdout
    for each in models:
        of, held = each.signature, each.signature.held
        if held is None:
            continue
        if held.group_by and held.group_by not in rows.column_names:
            raise InvalidData(
                f"a model has a holdout by {held.group_by!r}, which the dataset of the new version does not have; "
                "select that feature in spec.dataset.featureSets"
            )
        if not held.by_time and not held.group_by and of.entity not in rows.column_names:
            raise InvalidData(
                f"the entity {of.entity!r} by which a version was held out is not in the dataset, so that nothing tells which rows "
                "it has seen; train on a FeatureSet of this entity, or serve the new version by a ModelDeployment of its own"
            )
        _, rows = dataset.split(rows, of.model, of.entity, held)
    if rows.num_rows < min(dataset.LEAST_HOLDOUT, holdout.num_rows):
        raise InvalidData(
            f"of {holdout.num_rows} rows of the holdout {rows.num_rows} were seen by neither model; at least "
            f"{dataset.LEAST_HOLDOUT} are required; spec.dataset.holdout.percent of a TrainingJob may shrink, but not grow, and "
            "with spec.dataset.holdout.latest labels are needed that are newer than the training of the champion"
        )
    return rows
