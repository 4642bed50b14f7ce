"""KServe as a serving engine: one InferenceService for each version, without Knative (deployment mode RawDeployment).

That mode has no canary of its own, so weights always go through Homeostat's gateway.
"""

from collections.abc import Sequence

from homeostat.api.v1alpha1.modeldeployment import ModelDeployment
from homeostat.api.v1alpha1.pods import PodOptions
from homeostat.cluster import Manifest
from homeostat.engines.serving import ROUTER, Serving, ServingObjects, Version, predictor
from homeostat.pod_settings import PREDICTOR
from homeostat.reconcile.names import version_name
from homeostat.reconcile.pods import newest_message

NAME = "KServe"
API_VERSION = "serving.kserve.io/v1beta1"
KIND = "InferenceService"
KINDS = {(API_VERSION, KIND): "inferenceservices"}
CONTAINER = "kserve-container"
"""Name that KServe wants of the container that predicts."""


class KServeServing:
    """See ServingEngine."""

    name = NAME
    kinds = (
        (API_VERSION, KIND),
        ("apps/v1", "Deployment"),
        ("v1", "Service"),
        ("policy/v1", "PodDisruptionBudget"),
    )
    routing = ROUTER

    def objects(
        self, resource: ModelDeployment, versions: Sequence[Version], image: str, defaults: PodOptions = PREDICTOR
    ) -> tuple[Manifest, ...]:
        """See ServingEngine."""
        return tuple(
            manifest
            for version in versions
            for manifest in (
                _inference_service(resource, version, predictor.template(resource, version, image, defaults)),
                predictor.disruption_budget(resource, version.number),
            )
        )

    def servings(self, objects: ServingObjects) -> dict[str, Serving]:
        """See ServingEngine."""
        desired = {predictor.version_of(each): _requested(each) for each in objects.get(KIND, ())}
        served = [predictor.version_of(each) for each in objects.get("Service", ())]
        missing = {predictor.version_of(each): _why_missing(each, objects) for each in objects.get(KIND, ())}
        return predictor.servings_by_template(objects, desired, served, missing)

    def service(self, resource: ModelDeployment, version: str) -> str:
        """See ServingEngine."""
        return f"{version_name(resource.metadata.name, version)}-predictor"

    def url(self, resource: ModelDeployment) -> str:
        """See ServingEngine."""
        del resource
        return ""


def _inference_service(resource: ModelDeployment, version: Version, template: Manifest) -> Manifest:
    pod, metadata = template["spec"], predictor.with_digest(template)
    (container,) = pod["containers"]
    replicas = resource.spec.realtime.replicas
    meta = predictor.metadata(resource, version.number)
    annotations = {
        "serving.kserve.io/deploymentMode": "RawDeployment",
        "serving.kserve.io/autoscalerClass": "none",
    }
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {**meta, "annotations": annotations},
        "spec": {
            "predictor": {
                **pod,
                "labels": metadata["labels"],
                "annotations": metadata["annotations"],
                "minReplicas": replicas,
                "maxReplicas": replicas,
                "deploymentStrategy": {
                    "type": "RollingUpdate",
                    "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
                },
                "containers": [{**container, "name": CONTAINER}],
            }
        },
    }


def _why_missing(written: Manifest, objects: ServingObjects) -> str:
    """Why an InferenceService has no Deployment, by its conditions or by the newest Event about it."""
    conditions = (written.get("status") or {}).get("conditions", [])
    messages = (one.get("message", "") for one in conditions if one.get("status") == "False")
    event = newest_message(objects.get("Event", ()), written["metadata"].get("uid", ""))
    obstacle = next(filter(None, messages), event) or "KServe has not created a Deployment for it"
    return f"InferenceService {written['metadata']['name']}: {obstacle}"


def _requested(written: Manifest) -> tuple[str, int]:
    """Digest of the template and number of pods that an InferenceService asks for."""
    requested = written["spec"]["predictor"]
    return requested["annotations"][predictor.TEMPLATE_ANNOTATION], requested["minReplicas"]
