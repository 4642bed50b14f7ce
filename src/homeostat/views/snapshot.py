"""All objects of the platform at one time."""

from dataclasses import dataclass, field

from homeostat.api.common import API_VERSION
from homeostat.api.v1alpha1 import KINDS
from homeostat.cluster import ClusterAccess, Manifest


@dataclass(frozen=True)
class Snapshot:
    """Objects by plural, and their Events."""

    objects: dict[str, list[Manifest]] = field(default_factory=dict)
    events: list[Manifest] = field(default_factory=list)

    def of(self, plural: str, namespace: str) -> list[Manifest]:
        """Objects of one kind and namespace, oldest first."""
        return sorted(
            (o for o in self.objects.get(plural, []) if o["metadata"]["namespace"] == namespace),
            key=lambda o: (o["metadata"].get("creationTimestamp", ""), o["metadata"]["name"]),
        )

    def namespaces(self) -> list[str]:
        """Namespaces that hold any object."""
        return sorted({o["metadata"]["namespace"] for objects in self.objects.values() for o in objects})


def read_snapshot(cluster: ClusterAccess) -> Snapshot:
    """Reads every object of the four kinds, and the Events about them.

    Raises:
        PlatformError: As ClusterAccess.
    """
    objects = {kind.PLURAL: cluster.list(API_VERSION, kind.KIND, None) for kind in KINDS}
    events = cluster.list("v1", "Event", None, fields={"involvedObject.apiVersion": API_VERSION})
    return Snapshot(objects, events)
