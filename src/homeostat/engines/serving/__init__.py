"""Serving: who keeps the versions of a model running.

An engine says which objects the versions of a ModelDeployment are, and reads from what the cluster holds how each of them
fares. Both are pure: the operator applies and lists. An object of an engine, and every Deployment and pod that somebody
else's operator makes of it, carries the labels of `matching`, so that it is found again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from homeostat.api.v1alpha1.modeldeployment import ModelDeployment
from homeostat.api.v1alpha1.pods import PodOptions
from homeostat.cluster import Manifest
from homeostat.pod_settings import PREDICTOR
from homeostat.reconcile.names import VERSION_LABEL
from homeostat.reconcile.pods import is_unexplained

ServingObjects = Mapping[str, Sequence[Manifest]]
"""What the cluster holds of a ModelDeployment, by kind: the engine's kinds, Pod, and Event for what `unexplained` names."""

ROUTER = "Router"
"""Who splits the traffic where the engine does not: Homeostat's own gateway."""


@dataclass(frozen=True)
class Version:
    """A version that is to be kept running.

    Attributes:
        number: Version in the registry.
        digest: Digest that the TrainingJob recorded.
        uri: Folder of the model's files.
        weight: Percentage of the requests that it answers.
        mirror: Percentage of the requests that it gets a copy of.
    """

    number: str
    digest: str
    uri: str
    weight: int = 0
    mirror: int = 0


@dataclass(frozen=True)
class Child:
    """An object in the cluster that serves; version is empty for one that serves several."""

    api_version: str
    kind: str
    name: str
    uid: str
    version: str


@dataclass(frozen=True)
class Serving:
    """The pods of one version.

    Attributes:
        desired: Pods asked for.
        ready: Pods that are ready.
        current: All desired pods run the newest template, and none of an older one is left.
        has_service: There is a Service for them.
        failure_message: Why they are not ready: image, crash, probe, scheduling.
    """

    desired: int
    ready: int
    current: bool
    has_service: bool
    failure_message: str = ""

    @property
    def complete(self) -> bool:
        """Whether traffic may come, and a canary may go on."""
        return self.has_service and self.current and self.ready >= self.desired > 0


class ServingEngine(Protocol):
    """Keeps versions of a ModelDeployment running."""

    @property
    def name(self) -> str:
        """What a spec calls it."""
        ...

    @property
    def kinds(self) -> tuple[tuple[str, str], ...]:
        """(apiVersion, kind) of every object that belongs to it, whoever makes it; pods are always looked at."""
        ...

    @property
    def routing(self) -> str:
        """Who splits the traffic: `ROUTER`, or the engine's own name."""
        ...

    def objects(
        self, resource: ModelDeployment, versions: Sequence[Version], image: str, defaults: PodOptions = PREDICTOR
    ) -> tuple[Manifest, ...]:
        """What is to be applied, so that these versions run: the whole of it, in this order.

        Args:
            resource: The ModelDeployment, which owns the objects.
            versions: Versions with a role, and those that drain; the weights of the former add up to 0 or 100.
            image: Container image of predictors.
            defaults: The platform's defaults for the pods of predictors.
        """
        ...

    def servings(self, objects: ServingObjects) -> dict[str, Serving]:
        """How each version fares."""
        ...

    def service(self, resource: ModelDeployment, version: str) -> str:
        """Name of the Service of a version."""
        ...

    def url(self, resource: ModelDeployment) -> str:
        """Where predictions are asked for when the engine splits the traffic; empty: at the gateway."""
        ...


def children_of(objects: ServingObjects, engine: ServingEngine) -> Iterable[Child]:
    """The objects of an engine that are in the cluster."""
    for api_version, kind in engine.kinds:
        for manifest in objects.get(kind, ()):
            meta = manifest["metadata"]
            version = str(meta.get("labels", {}).get(VERSION_LABEL, ""))
            yield Child(api_version, kind, meta["name"], meta["uid"], version)


def unexplained(objects: ServingObjects, engine: ServingEngine) -> list[str]:
    """Objects whose status does not say why they do not run, by uid: Events about them may.

    These are pods, and the engine's own objects while a version has no Deployment.
    """
    stuck = [pod["metadata"]["uid"] for pod in objects.get("Pod", ()) if is_unexplained(pod)]
    made = {one["metadata"].get("labels", {}).get(VERSION_LABEL) for one in objects.get("Deployment", ())}
    if engine.servings(objects).keys() <= made:
        return stuck
    (_, kind), *_ = engine.kinds
    return [*stuck, *(one["metadata"]["uid"] for one in objects.get(kind, ()))]
