"""What makes pods of the objects of a serving engine, in memory: Kubernetes, Seldon Core's operator, and KServe.

They have the habits of the real ones that the engines rest on; tests/seldon holds the second against the real operator.
"""

import copy
import hashlib
import json
from collections.abc import Callable
from typing import Any

from homeostat.api.v1alpha1.modeldeployment import ModelDeployment
from homeostat.cluster.memory import MemoryCluster
from homeostat.engines.serving import ServingEngine, ServingObjects, Version, predictor
from homeostat.engines.serving.kserve import KIND as INFERENCE_SERVICE
from homeostat.engines.serving.seldon import KIND as SELDON_DEPLOYMENT
from homeostat.pod_settings import PREDICTOR
from support.serving.suite import NOWHERE

Manifest = dict[str, Any]
NAMESPACE = "churn"
OWN = "machinelearning.seldon.io/v1"


class MemoryStage:
    """See Stage; nothing happens before somebody looks."""

    image = "homeostat/services:1"
    versions = (Version("1", f"sha256:{'1' * 64}", "s3://b/1"), Version("2", f"sha256:{'2' * 64}", "s3://b/2"))

    def __init__(self, engine: ServingEngine, resource: ModelDeployment) -> None:
        self.engine, self.resource = engine, resource
        self.cluster = MemoryCluster()
        self.defaults = PREDICTOR

    def apply(self, *versions: Version, image: str | None = None) -> None:
        for manifest in self.engine.objects(self.resource, versions, image or self.image, self.defaults):
            self.cluster.apply(manifest)

    def found(self) -> ServingObjects:
        self.work()
        return self.listed()

    def listed(self) -> ServingObjects:
        """What is there, before anybody has done anything about it."""
        labels = predictor.selecting(self.resource)
        kinds = (*self.engine.kinds, ("v1", "Pod"))
        return {kind: self.cluster.list(api, kind, NAMESPACE, labels) for api, kind in kinds}

    def get(self, api_version: str, kind: str, name: str) -> Manifest | None:
        return self.cluster.get(api_version, kind, NAMESPACE, name)

    def delete(self, api_version: str, kind: str, name: str) -> None:
        self.cluster.vanish((api_version, kind, NAMESPACE, name))

    def until(self, what: str, done: Callable[[ServingObjects], bool]) -> ServingObjects:
        for _ in range(3):
            found = self.found()
            if done(found):
                return found
        raise AssertionError(f"{what}: {found}")

    def work(self) -> None:
        """One turn of everybody."""
        self._seldon()
        self._kserve()
        self._pods()

    def _seldon(self) -> None:
        for owner in self.cluster.list(OWN, SELDON_DEPLOYMENT, NAMESPACE):
            meta, made = owner["metadata"], {}
            for place, asked in enumerate(owner["spec"]["predictors"]):
                service = f"{meta['name']}-{asked['name']}"
                made[service] = {"svcName": service}
                template = copy.deepcopy(asked["componentSpecs"][0])
                # The habits that an adapter trips over.
                template["metadata"]["labels"] |= {"app.kubernetes.io/managed-by": "seldon-core", "seldon-app": service}
                template["spec"]["securityContext"] = {}
                (container,) = template["spec"]["containers"]
                if not any(port["name"] == "metrics" for port in container["ports"]):
                    container["ports"].append({"name": "metrics", "containerPort": 6000 + place})
                self._deploy(f"{service}-0-predictor", template, asked["replicas"], meta["uid"])
                self._service(service, {"seldon-app": service}, asked["graph"]["endpoint"]["httpPort"])
            self._forget(meta["uid"], {f"{service}-0-predictor" for service in made})
            # Whatever was known of others stays: a state of before.
            self.cluster.change(_address(owner), status={"state": "Creating", "serviceStatus": made})

    def _kserve(self) -> None:
        owners = self.cluster.list("serving.kserve.io/v1beta1", INFERENCE_SERVICE, NAMESPACE)
        for owner in owners:
            asked = copy.deepcopy(owner["spec"]["predictor"])
            template = {
                "metadata": {"labels": asked.pop("labels"), "annotations": asked.pop("annotations")},
                "spec": asked,
            }
            name = f"{owner['metadata']['name']}-predictor"
            self._deploy(name, template, asked["minReplicas"], owner["metadata"]["uid"])
            port = asked["containers"][0]["ports"][0]["containerPort"]
            self._service(name, template["metadata"]["labels"], port)

    def _deploy(self, name: str, template: Manifest, replicas: int, owner: str) -> None:
        found = self.cluster.get("apps/v1", "Deployment", NAMESPACE, name)
        if found is not None and found["spec"]["template"] == template:
            return
        labels = template["metadata"]["labels"]
        self.cluster.apply(
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels, "made-for": owner},
                "spec": {"replicas": replicas, "template": template},
            }
        )

    def _service(self, name: str, labels: dict[str, str], port: int) -> None:
        self.cluster.apply(
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels},
                "spec": {"ports": [{"name": "http", "port": port}]},
            }
        )

    def _forget(self, owner: str, kept: set[str]) -> None:
        for one in self.cluster.list("apps/v1", "Deployment", NAMESPACE):
            if one["metadata"].get("made-for") == owner and one["metadata"]["name"] not in kept:
                self.cluster.vanish(_address(one))

    def _pods(self) -> None:
        wanted = set()
        for one in self.cluster.list("apps/v1", "Deployment", NAMESPACE):
            template, replicas = one["spec"]["template"], one["spec"]["replicas"]
            name = f"{one['metadata']['name']}-{_digest_of(template)}"
            wanted.add(name)
            broken = template["spec"]["containers"][0]["image"] == NOWHERE
            waiting = {"ready": False, "state": {"waiting": {"reason": "ErrImagePull", "message": "not found"}}}
            self.cluster.apply(
                {
                    "apiVersion": "v1",
                    "kind": "Pod",
                    "metadata": {
                        "name": name,
                        "namespace": NAMESPACE,
                        "labels": template["metadata"]["labels"],
                    },
                    "status": {"containerStatuses": [waiting] if broken else []},
                }
            )
            ready = 0 if broken else replicas
            counts = {"replicas": replicas, "updatedReplicas": replicas, "readyReplicas": ready}
            self.cluster.change(_address(one), status={**counts, "observedGeneration": one["metadata"]["generation"]})
        for pod in self.cluster.list("v1", "Pod", NAMESPACE):
            if pod["metadata"]["name"] not in wanted:
                self.cluster.vanish(_address(pod))


def _address(manifest: Manifest) -> tuple[str, str, str, str]:
    return manifest["apiVersion"], manifest["kind"], NAMESPACE, manifest["metadata"]["name"]


def _digest_of(template: Manifest) -> str:
    return hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:10]
