"""What is there of a FeatureSet's runs; the only place of this operator that reads."""

from datetime import datetime

from homeostat.api.v1alpha1 import FeatureSet
from homeostat.engines.runs.jobs import JOB, SeenJob, read_document
from homeostat.reconcile.names import child_name, labels_for
from homeostat.runs import FAILURE, RESULT, MaterializeResult, RunFailure, run_prefix
from homeostat_operators.core.clients import Clients
from homeostat_operators.featureset.observed import PURPOSE, FeatureSetObservation


def observe(resource: FeatureSet, clients: Clients, _now: datetime) -> FeatureSetObservation:
    """Reads Jobs, and the documents of a run whose Job is over or gone.

    Raises:
        EngineUnavailable: Kubernetes or the object store does not answer.
    """
    meta, run = resource.metadata, resource.status.run
    labelled = clients.cluster.list(*JOB, meta.namespace, labels_for(resource, PURPOSE))
    jobs = tuple(seen for seen in map(SeenJob.of, labelled) if seen.owner == meta.uid)
    seen = FeatureSetObservation(clients.settings.bucket, clients.settings.pipelines_image, jobs=jobs)
    if run is None or run.outcome is not None:
        return seen
    found = clients.cluster.get(*JOB, meta.namespace, child_name(meta.name, PURPOSE, run.number))
    job = SeenJob.of(found) if found else None
    if job is not None and not job.finished:
        return FeatureSetObservation(seen.bucket, seen.image, job, jobs)
    prefix = run_prefix(seen.bucket, meta.namespace, meta.uid, run.number, PURPOSE)
    result = read_document(clients.objects, f"{prefix}{RESULT}", MaterializeResult)
    if isinstance(result, MaterializeResult):
        return FeatureSetObservation(seen.bucket, seen.image, job, jobs, result)
    failure = result or read_document(clients.objects, f"{prefix}{FAILURE}", RunFailure)
    return FeatureSetObservation(seen.bucket, seen.image, job, jobs, None, failure)
