"""Seldon Core 1 as a serving engine: one SeldonDeployment, in which each version is a predictor.

Its status has no observedGeneration and says Creating to every failure, so it decides nothing here: the Deployments that
its operator makes, and their pods, do.
"""

from collections.abc import Sequence
from typing import Any

from homeostat.api.v1alpha1.modeldeployment import ModelDeployment
from homeostat.api.v1alpha1.pods import PodOptions
from homeostat.cluster import Manifest
from homeostat.conventions import HTTP_PORT
from homeostat.engines.serving import ROUTER, Serving, ServingObjects, Version, predictor
from homeostat.pod_settings import PREDICTOR
from homeostat.reconcile.names import VERSION_LABEL, labels_for, owner_reference, version_name
from homeostat.reconcile.pods import newest_message
from homeostat.settings import SeldonSettings

NAME = "Seldon"
API_VERSION = "machinelearning.seldon.io/v1"
KIND = "SeldonDeployment"
KINDS = {(API_VERSION, KIND): "seldondeployments"}
METRICS_PORT = {"name": "metrics", "containerPort": 6000, "protocol": "TCP"}
"""Seldon Core numbers a port that it adds by the place of a predictor, so that one that moves up would be restarted."""
SCRAPED = {"prometheus.io/path": "/metrics", "prometheus.io/port": str(HTTP_PORT)}
"""In place of the path of Seldon's own executor, for a Prometheus that follows annotations."""


class SeldonServing:
    """See ServingEngine.

    Args:
        settings: Who splits the traffic: our gateway, or the Istio or Ambassador that Seldon Core configures.
    """

    name = NAME
    kinds = ((API_VERSION, KIND), ("apps/v1", "Deployment"), ("policy/v1", "PodDisruptionBudget"))

    def __init__(self, settings: SeldonSettings) -> None:
        self._ingress = settings.ingress_url.rstrip("/")

    @property
    def routing(self) -> str:
        """See ServingEngine."""
        return NAME if self._ingress else ROUTER

    def objects(
        self, resource: ModelDeployment, versions: Sequence[Version], image: str, defaults: PodOptions = PREDICTOR
    ) -> tuple[Manifest, ...]:
        """See ServingEngine."""
        if not versions:
            return ()  # one without predictors would be refused
        predictors = [
            _predictor(resource, each, predictor.template(resource, each, image, defaults)) for each in versions
        ]
        if self._ingress:
            _mark_shadows(versions, predictors)
        # Its webhook wants a whole from more than one; a first version that starts beside one that drains has no share yet.
        predictors[0]["traffic"] = 100 - sum(each["traffic"] for each in predictors[1:] if "shadow" not in each)
        deployment: Manifest = {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": {
                "name": resource.metadata.name,
                "namespace": resource.metadata.namespace,
                "labels": labels_for(resource),
                "ownerReferences": [owner_reference(resource)],
            },
            "spec": {"protocol": "v2", "predictors": predictors},
        }
        return (deployment, *(predictor.disruption_budget(resource, each.number) for each in versions))

    def servings(self, objects: ServingObjects) -> dict[str, Serving]:
        """See ServingEngine."""
        deployment = next(iter(objects.get(KIND, ())), None)
        status = (deployment or {}).get("status") or {}
        desired = dict(_requested(each) for each in (deployment or {}).get("spec", {}).get("predictors", []))
        # It makes the Service of a predictor together with the Deployment, and names it in its status.
        made = status.get("serviceStatus") or {}
        name = deployment["metadata"]["name"] if deployment else ""
        served = [version for version in desired if version_name(name, version) in made]
        uid = deployment["metadata"].get("uid", "") if deployment else ""
        obstacle = status.get("description") or newest_message(objects.get("Event", ()), uid)
        message = f"SeldonDeployment {name}: {obstacle or 'Seldon Core has not created a Deployment for it'}"
        return predictor.servings_by_template(objects, desired, served, dict.fromkeys(desired, message))

    def service(self, resource: ModelDeployment, version: str) -> str:
        """See ServingEngine."""
        return version_name(resource.metadata.name, version)

    def url(self, resource: ModelDeployment) -> str:
        """See ServingEngine."""
        meta = resource.metadata
        return f"{self._ingress}/seldon/{meta.namespace}/{meta.name}" if self._ingress else ""


def _mark_shadows(versions: Sequence[Version], predictors: Sequence[Manifest]) -> None:
    """Predictors of the versions that get copies, as its ingress is to know them: `traffic` is the share of copies.

    Under our gateway it need not know: it gives the pods of a shadow a label, which restarts them twice.
    """
    for version, each in zip(versions, predictors, strict=True):
        if version.mirror:
            each.update(shadow=True, traffic=version.mirror)


def _predictor(resource: ModelDeployment, version: Version, template: Manifest) -> Manifest:
    (container,) = template["spec"]["containers"]
    container["ports"].append(METRICS_PORT)
    metadata = predictor.with_digest(template)
    return {
        # With the name of the SeldonDeployment before it this is the name of its Service.
        "name": f"v{version.number}",
        "annotations": {"seldon.io/no-engine": "true"},
        "replicas": resource.spec.realtime.replicas,
        "traffic": version.weight,
        "progressDeadlineSeconds": resource.spec.rollout.progress_deadline_seconds,
        "graph": {
            "name": predictor.PREDICTOR,
            "type": "MODEL",
            "endpoint": {"type": "REST", "httpPort": HTTP_PORT},
        },
        "componentSpecs": [
            {
                "metadata": {**metadata, "annotations": {**SCRAPED, **metadata["annotations"]}},
                "spec": template["spec"],
            }
        ],
    }


def _requested(written: Any) -> tuple[str, tuple[str, int]]:
    """Version, digest of the template and number of pods that a predictor of a SeldonDeployment asks for."""
    meta = written["componentSpecs"][0]["metadata"]
    return meta["labels"][VERSION_LABEL], (meta["annotations"][predictor.TEMPLATE_ANNOTATION], written["replicas"])
