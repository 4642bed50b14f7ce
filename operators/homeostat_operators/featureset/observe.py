"""What is there of a FeatureSet's runs; the only place of this operator that reads."""

from dataclasses import dataclass, field

from homeostat.api.v1alpha1 import FeatureSet
from homeostat.engines.runs.jobs import JOB, SeenJob, read_document
from homeostat.reconcile.names import child_name, labels_for
from homeostat.runs import FAILURE, RESULT, MaterializeResult, RunFailure, run_prefix
from homeostat_operators.core.clients import Clients

PURPOSE = "materialize"


@dataclass(frozen=True)
class Observed:
    """What a plan looks at.

    Attributes:
        bucket: Bucket of the platform.
        image: Container image of runs.
        job: Job with the name of the newest numbered run, whoever made it.
        jobs: All Jobs that carry our labels and belong to this object.
        result: What the newest run delivered, if it has ended.
        failure: Why it failed, if it said so.
    """

    bucket: str
    image: str
    job: SeenJob | None = None
    jobs: tuple[SeenJob, ...] = ()
    result: MaterializeResult | None = None
    failure: RunFailure | None = field(default=None)


def observe(resource: FeatureSet, clients: Clients) -> Observed:
    """Reads Jobs, and the documents of a run whose Job is over or gone.

    Raises:
        EngineUnavailable: Kubernetes or the object store does not answer.
    """
    meta, run = resource.metadata, resource.status.run
    labelled = clients.cluster.list(*JOB, meta.namespace, labels_for(resource, PURPOSE))
    jobs = tuple(seen for seen in map(SeenJob.of, labelled) if seen.owner == meta.uid)
    seen = Observed(clients.settings.bucket, clients.settings.pipelines_image, jobs=jobs)
    if run is None or run.outcome is not None:
        return seen
    found = clients.cluster.get(*JOB, meta.namespace, child_name(meta.name, PURPOSE, run.number))
    job = SeenJob.of(found) if found else None
    if job is not None and not job.finished:
        return Observed(seen.bucket, seen.image, job, jobs)
    prefix = run_prefix(seen.bucket, meta.namespace, meta.uid, run.number, PURPOSE)
    result = read_document(clients.objects, f"{prefix}{RESULT}", MaterializeResult)
    if isinstance(result, MaterializeResult):
        return Observed(seen.bucket, seen.image, job, jobs, result)
    failure = result or read_document(clients.objects, f"{prefix}{FAILURE}", RunFailure)
    return Observed(seen.bucket, seen.image, job, jobs, None, failure)
