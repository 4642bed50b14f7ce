"""The three steps of `tabular`; each takes and gives text and numbers, and everything else lies in S3."""

import importlib.metadata
import math
import sys
import time
from typing import TYPE_CHECKING

import structlog

from homeostat.artifacts.bundle import BundleRef, canonical, digest_of
from homeostat.artifacts.dataset import HOLDOUT, LABEL
from homeostat.artifacts.model import MODEL, SIGNATURE
from homeostat.artifacts.model import signature as signature_in
from homeostat.artifacts.signature import Signature
from homeostat.artifacts.storage import fetch
from homeostat.engines.objects import ObjectStore
from homeostat.engines.runs.packages import FORMER_NAMES
from homeostat.intervals import Z
from homeostat.runs import Beside, StoredDataset, TrainedModel, TrainInput, TrainResult
from homeostat_pipelines import dataset
from homeostat_pipelines.data_warnings import bounded
from homeostat_pipelines.objects import from_environment
from homeostat_pipelines.pieces import Rows
from homeostat_pipelines.report import Report

if TYPE_CHECKING:
    from homeostat.signals.comparison import PairedComparison

STEPS = ("build-dataset", "train", "test")

log = structlog.get_logger()


def build_dataset(job_json: str, objects: ObjectStore | None = None) -> str:
    """Makes the dataset; its record as JSON."""
    objects, job, report = _opened(job_json, objects)
    with report.failures():
        report.progress(STEPS[0], 0, len(STEPS))
        return dataset.build(job, objects).model_dump_json(by_alias=True)


def train(job_json: str, dataset_json: str, parameters: dict[str, object], objects: ObjectStore | None = None) -> str:
    """Trains and stores the model; its record as JSON."""
    objects, job, report = _opened(job_json, objects)
    with report.failures():
        report.progress(STEPS[1], 1, len(STEPS))
        from homeostat_pipelines import families, holdouts, model  # noqa: PLC0415 - scikit-learn is for this step only
        from homeostat_pipelines.signature import signature_of  # noqa: PLC0415 - as above

        family = families.chosen(parameters)
        found = StoredDataset.model_validate_json(dataset_json).holdout or job.held

        def grow(rows: Rows, signature: Signature) -> dict[str, bytes]:
            return model.train(rows, signature, family, job.seed)

        made = holdouts.trained(objects, job, _bundle(dataset_json), found, signature_of(job), grow)
        return made.model_dump_json(by_alias=True)


def assess(
    job_json: str,
    dataset_json: str,
    model_json: str,
    pipeline_digest: str,
    started: float,
    *,
    objects: ObjectStore | None = None,
) -> None:
    """Measures the model on the holdout and writes the result of the run."""
    objects, job, report = _opened(job_json, objects)
    with report.failures():
        report.progress(STEPS[2], 2, len(STEPS))
        stored, made = StoredDataset.model_validate_json(dataset_json), TrainedModel.model_validate_json(model_json)
        model = BundleRef(uri=made.uri, digest=made.digest)
        metrics, beside = measure(objects, _bundle(dataset_json), made.judged or model)
        warnings = bounded(
            [*former_name(job.pipeline), *made.warnings, *stored.warnings, *blind_features(objects, model)]
        )
        # The defaults of parameters not given are part of the platform, whose image the job names.
        hashed = canonical({"parameters": job.parameters, "seed": job.seed})
        report.result(
            TrainResult(
                metrics=metrics,
                beside=beside,
                model=model,
                judged=made.judged,
                dataset=stored.model_copy(update={"warnings": warnings}),
                pipeline_digest=pipeline_digest,
                parameters_hash=digest_of(hashed),
                environment_digest=environment_digest(),
                gpu_seconds=job.gpus * math.ceil(time.time() - started),
            )
        )


def measure(objects: ObjectStore, data: BundleRef, model: BundleRef) -> tuple[dict[str, float], dict[str, Beside]]:
    """Metrics of a stored model on the holdout of a stored dataset, and what each is to be read with."""
    from homeostat.signals.comparison import compare  # noqa: PLC0415 - keeps the other steps' start short
    from homeostat_pipelines import signature  # noqa: PLC0415 - as above

    files = fetch(objects, model, [MODEL, SIGNATURE])
    of = signature_in(files)
    with dataset.opened(objects, data, HOLDOUT) as holdout:
        scores = signature.score_all(files[MODEL], holdout.pieces([i.name for i in of.inputs]), of.inputs)
        entities = dataset.clusters(of, holdout.column)
        compared = compare(of.predicts, holdout.column(LABEL).to_numpy(), scores, None, entities)
        metrics = {metric.name: metric.challenger for metric in compared if metric.challenger is not None}
        log.info("model tested", rows=holdout.num_rows, **metrics)
    return metrics, {metric.name: _beside(metric) for metric in compared if metric.name in metrics}


def _beside(metric: "PairedComparison") -> Beside:
    if metric.challenger is None or metric.challenger_error is None:
        return Beside(constant=metric.constant)
    half = Z * metric.challenger_error
    return Beside(constant=metric.constant, lower=metric.challenger - half, upper=metric.challenger + half)


def former_name(pipeline: str) -> list[str]:
    """A sentence on the name of a pipeline that has another one now."""
    if pipeline not in FORMER_NAMES:
        return []
    now = FORMER_NAMES[pipeline]
    return [f"spec.pipeline.name {pipeline!r} is a former name of {now!r}, which was run; write {now!r}."]


def blind_features(objects: ObjectStore, model: BundleRef) -> list[str]:
    """Sentences on the features of a stored model whose drift a Monitor will not see, or not fully."""
    from homeostat.artifacts.model import BASELINE, baseline  # noqa: PLC0415 - keeps the other steps' start short
    from homeostat.signals.blindness import blindness  # noqa: PLC0415 - as above

    features = baseline(fetch(objects, model, [BASELINE])).features
    found = [(feature.name, blindness(feature, len(features))) for feature in features]
    sentences = [f"Drift of feature {name!r} is not fully judged: {reason}." for name, reason in found if reason]
    for sentence in sentences:
        log.warning(sentence)
    return sentences


def environment_digest() -> str:
    """Digest of Python's version and of every installed package with its version."""
    packages = sorted(f"{d.metadata['Name']}=={d.version}" for d in importlib.metadata.distributions())
    listing = "\n".join([sys.version.split()[0], *packages])
    return digest_of(listing.encode())


def _opened(job_json: str, objects: ObjectStore | None) -> tuple[ObjectStore, TrainInput, Report]:
    job = TrainInput.model_validate_json(job_json)
    opened = objects or from_environment()
    return opened, job, Report(opened, job.output)


def _bundle(dataset_json: str) -> BundleRef:
    stored = StoredDataset.model_validate_json(dataset_json)
    return BundleRef(uri=stored.uri, digest=stored.digest)
