"""What observations read and actions write through; made once at start, replaced by in-memory twins in tests."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from homeostat.engines.metrics import Metrics
from homeostat.engines.objects import ObjectStore
from homeostat.engines.outcomes import Outcomes
from homeostat.engines.pipelines import PipelineEngine
from homeostat.engines.registry import Registry
from homeostat.engines.serving import ServingEngine
from homeostat.engines.serving.deployment import DeploymentServing
from homeostat_operators.settings import OperatorSettings

Manifest = dict[str, Any]
"""A Kubernetes object as its JSON says it."""


class Conflict(Exception):  # noqa: N818 - a state to look at again, not a failure
    """The object is not in the state that was expected: observe again."""


class ClusterAccess(Protocol):
    """The Kubernetes API as the loop needs it; objects are plain manifests.

    Every method raises EngineUnavailable when the API server does not answer, InvalidSpec with the server's words when it
    refuses an object, Conflict when the object is not in the expected state, PlatformError when a permission is lacking.
    """

    def get(self, api_version: str, kind: str, namespace: str, name: str) -> Manifest | None:
        """The object, or None."""
        ...

    def list(
        self, api_version: str, kind: str, namespace: str | None, labels: Mapping[str, str | None] | None = None
    ) -> list[Manifest]:
        """Objects of a namespace (None: of all) that carry the labels, and lack those whose value is None."""
        ...

    def apply(self, manifest: Manifest) -> Manifest:
        """Server-side apply, as owner of the fields in the manifest."""
        ...

    def create(self, manifest: Manifest) -> Manifest:
        """Creates an object; Conflict when the name is taken."""
        ...

    def delete(self, api_version: str, kind: str, namespace: str, name: str, uid: str) -> None:
        """Deletes the object with this uid, in the foreground; one that is gone is well."""
        ...

    def replace_status(self, manifest: Manifest) -> Manifest | None:
        """Writes status at the manifest's resourceVersion; Conflict when it has moved on, None when it is gone."""
        ...

    def record_event(self, manifest: Manifest, type_: str, reason: str, message: str, now: datetime) -> None:
        """Writes an Event about an object; the same event of the same state of the object is written once."""
        ...


@dataclass(frozen=True)
class Clients:
    """Everything outside the process."""

    cluster: ClusterAccess
    objects: ObjectStore
    registry: Registry
    metrics: Metrics
    outcomes: Outcomes
    settings: OperatorSettings
    pipelines: Mapping[str, PipelineEngine] = field(default_factory=dict)
    """Engines of trainings, by the name that a spec gives them."""
    serving: Mapping[str, ServingEngine] = field(default_factory=lambda: {DeploymentServing.name: DeploymentServing()})
    """Engines that keep models running, by the name that a spec gives them."""
