"""The TrainingJob that a Monitor asks for."""

from homeostat.api.common import API_VERSION, truncated
from homeostat.api.v1alpha1.monitor import Monitor, RetrainTemplate
from homeostat.api.v1alpha1.trainingjob import Trigger, TriggerRef, TriggerType
from homeostat.cluster import Manifest
from homeostat.reconcile.names import child_name, labels_for

RETRAIN = "retrain"
MONITOR_LABEL = "homeostat.dev/monitor"


def retrain_name(monitor: str, number: int) -> str:
    """Name of the TrainingJob of that number."""
    return child_name(monitor, RETRAIN, number)


def training_job(
    monitor: Monitor, template: RetrainTemplate, number: int, name: str, message: str, *, suspend: bool
) -> Manifest:
    """The TrainingJob of that number.

    It has no owner: deleting a Monitor must not delete the record of what was trained, and why.
    """
    ref = TriggerRef(kind=monitor.kind, name=monitor.metadata.name, uid=monitor.metadata.uid)
    trigger = Trigger(type=TriggerType.MONITOR, ref=ref, message=truncated(message))
    spec = template.spec.model_copy(update={"trigger": trigger, "suspend": suspend or template.spec.suspend})
    return {
        "apiVersion": API_VERSION,
        "kind": "TrainingJob",
        "metadata": {
            "name": name,
            "namespace": monitor.metadata.namespace,
            "labels": {**labels_for(monitor, RETRAIN, number=number), MONITOR_LABEL: monitor.metadata.name},
        },
        "spec": spec.model_dump(mode="json", by_alias=True, exclude_none=True),
    }
