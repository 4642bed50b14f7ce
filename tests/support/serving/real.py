"""The stage on a real cluster: versions that the churn story trained, in its namespace, beside what serves there."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

from homeostat.api.common import API_VERSION
from homeostat.api.v1alpha1 import TrainingJob
from homeostat.cluster import ClusterAccess
from homeostat.engines.serving import ServingEngine, ServingObjects, Version, children_of, predictor
from homeostat.testing.builders import NAMESPACE, a_model_deployment
from tools.waiting import until

Manifest = dict[str, Any]
SECONDS = 180


class RealStage:
    """See Stage.

    Its ModelDeployment exists on paper only, so that no operator interferes; its objects have no owner therefore.
    """

    def __init__(self, engine: ServingEngine, cluster: ClusterAccess) -> None:
        self.engine = engine
        self.cluster = cluster
        realtime = {"replicas": 1, "features": "Lookup"}
        self.resource = a_model_deployment(f"contract-{uuid.uuid4().hex[:6]}", realtime=realtime)
        self.versions = self._trained()
        (serves, *_) = self.cluster.list("v1", "Pod", NAMESPACE, {predictor.COMPONENT_LABEL: predictor.PREDICTOR})
        self.image = str(serves["spec"]["containers"][0]["image"])

    def _trained(self) -> tuple[Version, Version]:
        jobs = [TrainingJob.model_validate(one) for one in self.cluster.list(API_VERSION, TrainingJob.KIND, NAMESPACE)]
        models = [job.status.model for job in jobs if job.status.model and job.spec.output.model == "churn"]
        first, second, *_ = [Version(m.version, m.digest, m.uri) for m in sorted(models, key=lambda m: int(m.version))]
        return first, second

    def apply(self, *versions: Version, image: str | None = None) -> None:
        for manifest in self.engine.objects(self.resource, versions, image or self.image):
            metadata = {key: value for key, value in manifest["metadata"].items() if key != "ownerReferences"}
            self.cluster.apply({**manifest, "metadata": metadata})

    def found(self) -> ServingObjects:
        labels = predictor.selecting(self.resource)
        kinds = (*self.engine.kinds, ("v1", "Pod"))
        return {kind: self.cluster.list(api, kind, NAMESPACE, labels) for api, kind in kinds}

    def get(self, api_version: str, kind: str, name: str) -> Manifest | None:
        return self.cluster.get(api_version, kind, NAMESPACE, name)

    def delete(self, api_version: str, kind: str, name: str) -> None:
        found = self.get(api_version, kind, name)
        if found is not None:
            self.cluster.delete(api_version, kind, NAMESPACE, name, found["metadata"]["uid"])

    def until(self, what: str, done: Callable[[ServingObjects], bool]) -> ServingObjects:
        return until(what, self.found, done, seconds=SECONDS)


def staged(engine: ServingEngine, cluster: ClusterAccess) -> Iterator[RealStage]:
    """A stage for one test, cleared afterwards."""
    stage = RealStage(engine, cluster)
    yield stage
    for child in children_of(stage.found(), engine):
        stage.delete(child.api_version, child.kind, child.name)
    stage.until("the stage is empty", lambda found: not found["Pod"])
