"""The engine Deployment: each version is a Deployment with Service and PodDisruptionBudget; nothing else is needed."""

from collections.abc import Sequence

from homeostat.api.v1alpha1.modeldeployment import ModelDeployment
from homeostat.api.v1alpha1.pods import PodOptions
from homeostat.cluster import Manifest
from homeostat.conventions import HTTP_PORT
from homeostat.engines.serving import ROUTER, Serving, ServingObjects, Version, predictor
from homeostat.pod_settings import PREDICTOR
from homeostat.reconcile.names import version_name

NAME = "Deployment"


class DeploymentServing:
    """See ServingEngine."""

    name = NAME
    kinds = (("apps/v1", "Deployment"), ("v1", "Service"), ("policy/v1", "PodDisruptionBudget"))
    routing = ROUTER

    def objects(
        self, resource: ModelDeployment, versions: Sequence[Version], image: str, defaults: PodOptions = PREDICTOR
    ) -> tuple[Manifest, ...]:
        """See ServingEngine; the Service first, so that pods find it made."""
        return tuple(
            manifest
            for version in versions
            for manifest in (
                _service(resource, version),
                _deployment(resource, version, predictor.template(resource, version, image, defaults)),
                predictor.disruption_budget(resource, version.number),
            )
        )

    def servings(self, objects: ServingObjects) -> dict[str, Serving]:
        """See ServingEngine."""
        served = {predictor.version_of(service) for service in objects.get("Service", ())}
        versions = ((predictor.version_of(one), one) for one in objects.get("Deployment", ()))
        return {
            version: predictor.serving(
                one,
                has_service=version in served,
                current=True,
                failure_message=predictor.failure_message_of(objects, version),
            )
            for version, one in versions
            if version
        }

    def service(self, resource: ModelDeployment, version: str) -> str:
        """See ServingEngine."""
        return version_name(resource.metadata.name, version)

    def url(self, resource: ModelDeployment) -> str:
        """See ServingEngine."""
        del resource
        return ""


def _service(resource: ModelDeployment, version: Version) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": predictor.metadata(resource, version.number),
        "spec": {
            "selector": predictor.matching(resource, version.number),
            "ports": [{"name": "http", "port": HTTP_PORT, "targetPort": "http", "protocol": "TCP"}],
        },
    }


def _deployment(resource: ModelDeployment, version: Version, template: Manifest) -> Manifest:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": predictor.metadata(resource, version.number),
        "spec": {
            "replicas": resource.spec.realtime.replicas,
            "revisionHistoryLimit": 1,
            "progressDeadlineSeconds": resource.spec.rollout.progress_deadline_seconds,
            "selector": {"matchLabels": predictor.matching(resource, version.number)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": template,
        },
    }
