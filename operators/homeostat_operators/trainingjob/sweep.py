"""Ends runs whose TrainingJob is deleted, at engines that do not know when that happens."""

import structlog

from homeostat.api.common import API_VERSION
from homeostat.api.v1alpha1 import TrainingJob
from homeostat_operators.core.clients import Clients

log = structlog.get_logger(__name__)


def sweep(clients: Clients) -> None:
    """Stops every run that goes on without its TrainingJob.

    Raises:
        PlatformError: An engine or Kubernetes does not answer, or refuses; what is left is found the next time.
    """
    for name, engine in clients.runs.items():
        # Runs first: a run that is seen was started by a TrainingJob that is older, and so is seen as well.
        active = engine.active_runs()
        if not active:
            continue
        training_jobs = clients.cluster.list(API_VERSION, TrainingJob.KIND, None)
        owners = {each["metadata"]["uid"] for each in training_jobs if not each["metadata"].get("deletionTimestamp")}
        for run in active:
            if run.owner not in owners and not run.deleting:
                log.info("its TrainingJob is gone", engine=name, run=run.uid, namespace=run.namespace, name=run.name)
                engine.stop(run)
