"""The Local engine: an attempt is one Job, in which the steps of the pipeline share one process."""

from dataclasses import dataclass
from pathlib import Path

from homeostat.api.v1alpha1 import TrainingJob
from homeostat.cluster import ClusterAccess, Manifest
from homeostat.cluster.once import create_once
from homeostat.engines.runs import TRAIN, Attempt, SeenRun
from homeostat.engines.runs.jobs import JOB, JobShape, SeenJob, run_job
from homeostat.engines.runs.packages import Package, shipped
from homeostat.reconcile.errors import InvalidSpec
from homeostat.reconcile.names import child_name, labels_for
from homeostat.settings import NodePool

NAME = "Local"

SHORTEST_TTL = 60
"""Seconds; a Job that is gone before it was looked at would be taken for one that was never made."""


def train_job(attempt: Attempt) -> Manifest:
    """The Job of an attempt."""
    spec = attempt.resource.spec
    shape = JobShape(
        resources=attempt.resources,
        deadline_seconds=spec.active_deadline_seconds,
        ttl_seconds=max(spec.ttl_seconds_after_finished, SHORTEST_TTL),
        pool=attempt.pool,
    )
    return run_job(attempt.resource, TRAIN, attempt.number, attempt.document, attempt.document.image, shape)


@dataclass(frozen=True)
class LocalPipelines:
    """See PipelineEngine.

    Attributes:
        cluster: Where the Jobs are made.
        compiled: Folder of the pipelines that ship with the platform, and so with the image of its runs.
    """

    cluster: ClusterAccess
    compiled: Path

    def package(self, resource: TrainingJob, pool: NodePool | None) -> Package:
        """See PipelineEngine."""
        del pool
        asked = resource.spec.pipeline
        if asked.name is None or asked.version is not None:
            raise InvalidSpec(
                f"spec.pipeline {str(asked)!r} has steps with images of their own, which the engine Local cannot start; "
                f"set spec.engine to Kubeflow, or spec.pipeline to the name of a pipeline that ships with the platform"
            )
        return shipped(self.compiled, asked.name)

    def find(self, resource: TrainingJob, number: int) -> SeenRun | None:
        """See PipelineEngine."""
        meta = resource.metadata
        found = self.cluster.get(*JOB, meta.namespace, child_name(meta.name, TRAIN, number))
        return SeenJob.of(found) if found else None

    def runs(self, resource: TrainingJob) -> tuple[SeenRun, ...]:
        """See PipelineEngine."""
        labelled = self.cluster.list(*JOB, resource.metadata.namespace, labels_for(resource, TRAIN))
        return tuple(job for job in map(SeenJob.of, labelled) if job.owner == resource.metadata.uid)

    def going(self) -> tuple[SeenRun, ...]:
        """See PipelineEngine: Kubernetes deletes a Job with its owner."""
        return ()

    def submit(self, attempt: Attempt) -> None:
        """See PipelineEngine."""
        create_once(train_job(attempt), self.cluster)

    def stop(self, run: SeenRun) -> None:
        """See PipelineEngine."""
        self.cluster.delete(*JOB, run.namespace, run.name, run.uid)
