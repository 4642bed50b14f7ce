"""What a Deployment and its pods say about a version, in one line for people; pure."""

from collections.abc import Iterable
from typing import Any

from homeostat.reconcile.names import VERSION_LABEL
from homeostat.reconcile.pods import trouble
from homeostat_operators.modeldeployment.observed import Serving

Manifest = dict[str, Any]


def serving(deployment: Manifest, pods: list[Manifest], services: Iterable[str]) -> Serving:
    """The state of one version.

    Args:
        deployment: Its Deployment.
        pods: Its pods.
        services: Versions that have a Service.
    """
    meta, status = deployment["metadata"], deployment.get("status", {})
    desired = int(deployment.get("spec", {}).get("replicas", 1))
    updated, total = int(status.get("updatedReplicas", 0)), int(status.get("replicas", 0))
    return Serving(
        desired=desired,
        ready=int(status.get("readyReplicas", 0)),
        current=int(status.get("observedGeneration", 0)) >= int(meta.get("generation", 0))
        and total == updated >= desired,
        has_service=meta["labels"][VERSION_LABEL] in services,
        trouble=next((told for told in map(trouble, pods) if told), ""),
    )
