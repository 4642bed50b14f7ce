"""The predictor's pod, the same under every engine, and what is seen of it."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from homeostat.api.v1alpha1.modeldeployment import ModelDeployment
from homeostat.api.v1alpha1.pods import PodOptions, Resources
from homeostat.cluster import Manifest
from homeostat.conventions import HTTP_PORT, PLATFORM_SECRET, USER_ID
from homeostat.engines.serving import Serving, ServingObjects, Version
from homeostat.reconcile.names import KIND_LABEL, NAME_LABEL, VERSION_LABEL, labels_for, owner_reference, version_name
from homeostat.reconcile.pod_templates import applied, completed
from homeostat.reconcile.pods import failure_message

PREDICTOR = "predictor"
COMPONENT_LABEL = "app.kubernetes.io/component"
TEMPLATE_ANNOTATION = "homeostat.dev/template"
"""Digest of the pod that is asked for: tells whether somebody else's operator has got to it yet."""

ACCOUNT = "homeostat-predictor"
GRACE_SECONDS = 30


def selecting(resource: ModelDeployment) -> dict[str, str]:
    """Labels by which everything that serves a ModelDeployment is found.

    Other operators call themselves the manager of what they make, so that label is not among them.
    """
    return {KIND_LABEL: resource.kind, NAME_LABEL: resource.metadata.name}


def matching(resource: ModelDeployment, version: str) -> dict[str, str]:
    """Labels that select the pods of a version, whoever made them."""
    return {**selecting(resource), VERSION_LABEL: version, COMPONENT_LABEL: PREDICTOR}


def labels(resource: ModelDeployment, version: str) -> dict[str, str]:
    """Labels of an object of one version."""
    return {**labels_for(resource, version=version), COMPONENT_LABEL: PREDICTOR}


def metadata(resource: ModelDeployment, version: str) -> Manifest:
    """Metadata of an object of one version."""
    return {
        "name": version_name(resource.metadata.name, version),
        "namespace": resource.metadata.namespace,
        "labels": labels(resource, version),
        "ownerReferences": [owner_reference(resource)],
    }


def disruption_budget(resource: ModelDeployment, version: str) -> Manifest:
    """The PodDisruptionBudget of a version: one pod at a time."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(resource, version),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": matching(resource, version)}},
    }


def template(resource: ModelDeployment, version: Version, image: str, defaults: PodOptions) -> Manifest:
    """The template of the pods of a version: ``{metadata, spec}``.

    Args:
        resource: The ModelDeployment.
        version: The version.
        image: Container image of predictors.
        defaults: The platform's defaults.
    """
    realtime = resource.spec.realtime
    given = PodOptions(resources=realtime.resources, pod_template=realtime.pod_template)
    options = completed(given, defaults)
    pod = _pod(resource, version, image, options.resources)
    return applied(options.pod_template, {"metadata": {"labels": labels(resource, version.number)}, "spec": pod})


def _pod(resource: ModelDeployment, version: Version, image: str, resources: Resources) -> Manifest:
    """The pod's spec.

    Everything about security stands at the container: Seldon Core's operator replaces what stands at the pod.
    """
    return {
        "serviceAccountName": ACCOUNT,
        "automountServiceAccountToken": True,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": matching(resource, version.number)},
            }
        ],
        "containers": [_container(resource, version, image, resources)],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
    }


def _container(resource: ModelDeployment, version: Version, image: str, resources: Resources) -> Manifest:
    return {
        "name": PREDICTOR,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-m", "homeostat_services.predictor"],
        "env": [
            {"name": f"HOMEOSTAT_{name}", "value": value} for name, value in _environment(resource, version).items()
        ],
        "envFrom": [{"secretRef": {"name": PLATFORM_SECRET}}],
        "ports": [{"name": "http", "containerPort": HTTP_PORT, "protocol": "TCP"}],
        "resources": resources.model_dump(),
        # Until startup has succeeded the other probes wait: loading a model may take its time on a busy node.
        "startupProbe": _probe("ready", period=1, failures=120),
        "readinessProbe": _probe("ready", period=2, failures=2),
        "livenessProbe": _probe("live", period=10, failures=3),
        # Envoy learns of a leaving endpoint a moment later; until then the pod must still answer. A command, because
        # operators that were built for an older Kubernetes drop the newer `sleep`.
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", "3"]}}},
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER_ID,
            "runAsGroup": USER_ID,
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 - a volume of the pod's own
    }


def _probe(what: str, *, period: int, failures: int) -> Manifest:
    return {
        "httpGet": {"path": f"/v2/health/{what}", "port": "http"},
        "periodSeconds": period,
        "timeoutSeconds": 2,
        "failureThreshold": failures,
    }


def _environment(resource: ModelDeployment, version: Version) -> dict[str, str]:
    observation = resource.spec.observation
    return {
        "NAMESPACE": resource.metadata.namespace,
        "DEPLOYMENT": resource.metadata.name,
        "VERSION": version.number,
        "MODEL_URI": version.uri,
        "MODEL_DIGEST": version.digest,
        "FEATURES": resource.spec.realtime.features.value,
        "ENTITY_FIELD": observation.entity_fields[0] if observation else "",
        "PAYLOAD_PERCENT": str(observation.payload.percent if observation else 0),
    }


def with_digest(template: Manifest) -> Manifest:
    """Metadata of a pod template with `TEMPLATE_ANNOTATION`, the digest of all of it."""
    digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:16]
    metadata: Manifest = template["metadata"]
    return {**metadata, "annotations": {**metadata.get("annotations", {}), TEMPLATE_ANNOTATION: digest}}


def version_of(manifest: Mapping[str, Any]) -> str:
    """Version that an object belongs to, by its label; empty if to none."""
    return str(manifest["metadata"].get("labels", {}).get(VERSION_LABEL, ""))


def failure_message_of(objects: ServingObjects, version: str) -> str:
    """The first failure that a version's pods report; empty when there is none."""
    events = objects.get("Event", ())
    messages = (failure_message(each, events) for each in objects.get("Pod", ()) if version_of(each) == version)
    return next(filter(None, messages), "")


def serving(deployment: Manifest, *, has_service: bool, current: bool, failure_message: str) -> Serving:
    """The state of one version, from the Deployment that runs its pods.

    Args:
        deployment: The Deployment.
        has_service: There is a Service for its pods.
        current: Its template is the one that was asked for last.
        failure_message: Why its pods are not ready, as they report it; empty when they do not.
    """
    meta, status = deployment["metadata"], deployment.get("status", {})
    desired = int(deployment.get("spec", {}).get("replicas", 1))
    updated, total = int(status.get("updatedReplicas", 0)), int(status.get("replicas", 0))
    is_observed = int(status.get("observedGeneration", 0)) >= int(meta.get("generation", 0))
    return Serving(
        desired=desired,
        ready=int(status.get("readyReplicas", 0)),
        current=current and is_observed and total == updated >= desired,
        has_service=has_service,
        failure_message=failure_message or _replica_failure(deployment),
    )


def _replica_failure(deployment: Manifest) -> str:
    """Why no pod can be created, in the API server's words; empty when they can."""
    conditions = deployment.get("status", {}).get("conditions", [])
    failed = next((c for c in conditions if (c["type"], c["status"]) == ("ReplicaFailure", "True")), None)
    # The ReplicaSet itself may be refused, too.
    failed = failed or next((c for c in conditions if c.get("reason") == "ReplicaSetCreateError"), None)
    return f"no pod can be created: {failed.get('message', '').rstrip('.')}" if failed else ""


def servings_by_template(
    objects: ServingObjects, desired: Mapping[str, tuple[str, int]], served: Sequence[str], missing: Mapping[str, str]
) -> dict[str, Serving]:
    """How versions fare whose Deployments are made by somebody else's operator.

    Such an operator follows a moment later and need not say which spec its status is about. So a version is current only
    when the template of its Deployment carries the digest that was asked for, whatever any status says.

    Args:
        objects: What the cluster holds.
        desired: Digest of the template and number of pods, by version.
        served: Versions that have a Service.
        missing: Failure messages of versions whose Deployments are not there.
    """
    by_version = {version_of(each): each for each in objects.get("Deployment", ()) if version_of(each)}
    states = {
        version: Serving(desired=replicas, ready=0, current=False, has_service=False, failure_message=missing[version])
        for version, (_, replicas) in desired.items()
    }
    for version, deployment in by_version.items():
        annotations = deployment["spec"]["template"]["metadata"].get("annotations", {})
        requested = desired.get(version)
        current = requested is not None and annotations.get(TEMPLATE_ANNOTATION) == requested[0]
        message = failure_message_of(objects, version)
        states[version] = serving(deployment, has_service=version in served, current=current, failure_message=message)
    return states
