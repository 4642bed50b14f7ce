"""What a training makes of its holdout: the model that is judged, the one that is served, and whether the one foretells the other."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from math import hypot

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import structlog

from homeostat.artifacts.bundle import BundleRef
from homeostat.artifacts.dataset import HOLDOUT, LABEL, TIME, TRAIN
from homeostat.artifacts.holdout import Holdout
from homeostat.artifacts.model import MODEL
from homeostat.artifacts.model import signature as signature_in
from homeostat.artifacts.signature import Signature
from homeostat.artifacts.storage import store
from homeostat.engines.objects import ObjectStore
from homeostat.intervals import Z
from homeostat.reconcile.errors import InvalidData
from homeostat.runs import TrainedModel, TrainInput
from homeostat.signals.comparison import compare
from homeostat.tasks.skill import NAME as SKILL
from homeostat_pipelines import dataset
from homeostat_pipelines.pieces import Rows, on_disk
from homeostat_pipelines.signature import score_all

Grow = Callable[[Rows, Signature], Mapping[str, bytes]]
"""From rows and a signature to the files of a model."""

LEAST_COMPARED = 200
"""Fewer rows on either side tell nothing about a holdout."""

MOST_GROWN = 20_000
"""Rows that the model of a comparison is trained on at most: it costs less than the training beside it."""

log = structlog.get_logger()


def trained(
    objects: ObjectStore, job: TrainInput, data: BundleRef, holdout: Holdout, signature: Signature, grow: Grow
) -> TrainedModel:
    """Trains and stores what a holdout asks for: one model, or one to judge and one of all rows to serve."""
    with dataset.opened(objects, data, TRAIN) as train, dataset.opened(objects, data, HOLDOUT) as held:
        of = recorded(signature, holdout)
        judged = store(objects, job.models, dict(grow(train, of)))
        log.info("model stored", uri=judged.uri, rows=train.num_rows)
        if not holdout.refits:
            warnings = flattered(train, held, signature, grow) if holdout.group_by == "" and holdout.percent else []
            return TrainedModel(uri=judged.uri, digest=judged.digest, warnings=warnings)
        with on_disk(chain(train.groups(), held.groups())) as rows:
            seen = holdout.model_copy(update={"through": _aware(pc.max(rows.column(TIME)))})
            whole = recorded(signature, seen).model_copy(update={"judged": judged})
            served = store(objects, job.models, dict(grow(rows, whole)))
            log.info("model trained on all rows stored", uri=served.uri, rows=rows.num_rows)
    return TrainedModel(uri=served.uri, digest=served.digest, judged=judged)


def recorded(signature: Signature, holdout: Holdout) -> Signature:
    """The signature of a model that was trained without this holdout; of a share of the entities, releases before read it, too."""
    plain = holdout.percent is not None and not holdout.group_by
    of = {"holdout_percent": holdout.percent} if plain else {"holdout_percent": None, "holdout": holdout}
    return signature.model_copy(update=of)


def _aware(moment: pa.Scalar) -> datetime:
    found: datetime = moment.as_py()
    return found.astimezone(UTC)


def flattered(train: Rows, held: Rows, signature: Signature, grow: Grow) -> list[str]:
    """Whether a holdout by entity says more of a model than later rows do, as sentences.

    Rows of one time share what happened then, and a holdout by entity shares the times of the training. One model, trained on
    the earlier rows of the training part, is measured on earlier rows of the holdout and on the later rows of the training part,
    of which there are as many as rows in the holdout: it was trained on neither.
    """
    if held.num_rows < LEAST_COMPARED:
        return []
    times = train.column(TIME).to_numpy()
    since = np.sort(times)[-min(held.num_rows, times.size // 2)]
    early = np.asarray(times < since)
    if min(int(early.sum()), int((~early).sum())) < LEAST_COMPARED:
        return []
    with (
        _part(train, early, MOST_GROWN) as grown,
        _part(train, ~early) as later,
        _part(held, np.asarray(held.column(TIME).to_numpy() < since)) as beside,
    ):
        try:
            if grown.num_rows < LEAST_COMPARED or signature.predicts.unlearnable(grown.column(LABEL).to_numpy()):
                return []
            files = grow(grown, signature)
        except InvalidData:
            return []  # the rows of a part alone make no model, which says nothing about the training
        by_entity, by_time = (_skill(files, rows) for rows in (beside, later))
    if (
        by_entity is None
        or by_time is None
        or by_entity.value - by_time.value <= Z * hypot(by_entity.error, by_time.error)
    ):
        return []
    moment = since.astype("datetime64[s]").item()
    sentence = (
        f"The holdout by entity flatters: a model of the rows before {moment:%Y-%m-%d %H:%M:%S} UTC has a skill of {by_entity} on "
        f"entities that are held out, and of {by_time} on later rows, as in production. Set spec.dataset.holdout.latest, in place "
        "of percent, to have the gate judge by the later rows."
    )
    log.warning(sentence)
    return [sentence]


@dataclass(frozen=True)
class _Skill:
    value: float
    error: float

    def __str__(self) -> str:
        return f"{self.value:.3f} (95 % {self.value - Z * self.error:.3f} to {self.value + Z * self.error:.3f})"


def _skill(files: Mapping[str, bytes], rows: Rows) -> _Skill | None:
    if rows.num_rows < LEAST_COMPARED:
        return None
    of = signature_in(dict(files))
    outputs = score_all(files[MODEL], rows.pieces([i.name for i in of.inputs]), of.inputs)
    for metric in compare(of.predicts, rows.column(LABEL).to_numpy(), outputs, None, dataset.clusters(of, rows.column)):
        if metric.name == SKILL and metric.challenger is not None and metric.challenger_error is not None:
            return _Skill(metric.challenger, metric.challenger_error)
    return None


def _part(rows: Rows, chosen: np.ndarray, most: int | None = None) -> AbstractContextManager[Rows]:
    """The chosen rows as a file of this process; of more than `most`, every n-th."""
    if most is not None and (found := np.flatnonzero(chosen)).size > most:
        chosen = np.zeros_like(chosen)
        chosen[found[:: -(-found.size // most)]] = True

    def parts() -> Iterator[pa.Table]:
        start = 0
        for group in rows.groups():
            yield group.filter(pa.array(chosen[start : start + group.num_rows]))
            start += group.num_rows

    return on_disk(parts())
