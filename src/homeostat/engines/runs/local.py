"""The Local engine: a run is one Job on the cluster's own nodes, whatever its purpose.

The steps of a pipeline share the one process of its Job.
"""

from dataclasses import dataclass
from pathlib import Path

from homeostat.cluster import ClusterAccess
from homeostat.cluster.events import warnings_about
from homeostat.cluster.once import create_once
from homeostat.engines.runs import Owner, PackageRequest, RunRequest, RunState, run_name
from homeostat.engines.runs.jobs import JOB, JOB_UID_LABEL, POD, job_state, run_job, with_pods
from homeostat.engines.runs.packages import Package, bundled
from homeostat.reconcile.errors import InvalidSpec
from homeostat.reconcile.names import labels_for
from homeostat.reconcile.pods import is_unexplained

NAME = "Local"


@dataclass(frozen=True)
class LocalRuns:
    """See RunEngine.

    Attributes:
        cluster: Where the Jobs are made.
        compiled: Folder of the pipelines that ship with the platform, and so with the image of its runs.
    """

    cluster: ClusterAccess
    compiled: Path

    def package(self, request: PackageRequest) -> Package:
        """See RunEngine."""
        pipeline = request.pipeline
        if pipeline.name is None or pipeline.version is not None:
            raise InvalidSpec(
                f"spec.pipeline {str(pipeline)!r} has steps with images of their own, which the engine Local cannot start; "
                f"set spec.engine to Kubeflow, or spec.pipeline to the name of a pipeline that ships with the platform"
            )
        return bundled(self.compiled, pipeline.name)

    def find(self, owner: Owner, purpose: str, number: int) -> RunState | None:
        """See RunEngine."""
        namespace = owner.metadata.namespace
        found = self.cluster.get(*JOB, namespace, run_name(owner, purpose, number))
        if found is None:
            return None
        job = job_state(found)
        if job.owner != owner.metadata.uid or (job.finished and not job.reason):
            return job  # its pods have nothing to add
        pods = self.cluster.list(*POD, namespace, {JOB_UID_LABEL: job.uid})
        if job.finished:
            return with_pods(job, pods)
        unexplained = [pod["metadata"]["uid"] for pod in pods if is_unexplained(pod)] if pods else [job.uid]
        return with_pods(job, pods, warnings_about(self.cluster.list, namespace, unexplained))

    def runs(self, owner: Owner, purpose: str) -> tuple[RunState, ...]:
        """See RunEngine; without what only their pods show."""
        labelled = self.cluster.list(*JOB, owner.metadata.namespace, labels_for(owner, purpose))
        return tuple(job for job in map(job_state, labelled) if job.owner == owner.metadata.uid)

    def active_runs(self) -> tuple[RunState, ...]:
        """See RunEngine: Kubernetes deletes a Job with its owner."""
        return ()

    def submit(self, request: RunRequest) -> None:
        """See RunEngine."""
        create_once(run_job(request), self.cluster)

    def stop(self, run: RunState) -> None:
        """See RunEngine."""
        self.cluster.delete(*JOB, run.namespace, run.name, run.uid)
