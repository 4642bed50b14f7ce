"""Objects of a ModelDeployment in the cluster, built from values alone."""

from typing import Any

from homeostat.api.v1alpha1.modeldeployment import Candidate, ModelDeployment, ServedVersion
from homeostat.reconcile.names import child_name, labels_for, owner_reference, version_name
from homeostat.runs import INPUT_VARIABLE, EvaluateInput, StoredModel, run_prefix
from homeostat_operators.modeldeployment.observed import Available, Installation

Manifest = dict[str, Any]

EVALUATE = "evaluate"
PREDICTOR = "predictor"
PORT = 8080
COMPONENT_LABEL = "app.kubernetes.io/component"
PLATFORM_SECRET = "homeostat-platform"  # noqa: S105 - the name of a Secret
PREDICTOR_ACCOUNT = "homeostat-predictor"
RUN_ACCOUNT = "homeostat-run"

EVALUATE_SEED = 42
EVALUATE_DEADLINE_SECONDS = 1800
EVALUATE_TTL_SECONDS = 3600

PREDICTOR_RESOURCES = {
    "requests": {"cpu": "50m", "memory": "192Mi"},
    "limits": {"cpu": "1", "memory": "512Mi"},
}
EVALUATE_RESOURCES = {
    "requests": {"cpu": "100m", "memory": "512Mi"},
    "limits": {"cpu": "1", "memory": "2Gi"},
}
POD_SECURITY = {
    "runAsNonRoot": True,
    "runAsUser": 65532,
    "runAsGroup": 65532,
    "fsGroup": 65532,
    "seccompProfile": {"type": "RuntimeDefault"},
}
CONTAINER_SECURITY = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def serving(resource: ModelDeployment, version: ServedVersion, installation: Installation) -> tuple[Manifest, ...]:
    """Service, Deployment and PodDisruptionBudget of one version; the Service first, so that pods find it made."""
    return (
        _service(resource, version),
        _deployment(resource, version, installation),
        _disruption_budget(resource, version),
    )


def _metadata(resource: ModelDeployment, version: ServedVersion) -> Manifest:
    return {
        "name": version_name(resource.metadata.name, version.version),
        "namespace": resource.metadata.namespace,
        "labels": _labels(resource, version),
        "ownerReferences": [owner_reference(resource)],
    }


def _labels(resource: ModelDeployment, version: ServedVersion) -> dict[str, str]:
    return {**labels_for(resource, version=version.version), COMPONENT_LABEL: PREDICTOR}


def _service(resource: ModelDeployment, version: ServedVersion) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(resource, version),
        "spec": {
            "selector": _labels(resource, version),
            "ports": [{"name": "http", "port": PORT, "targetPort": "http", "protocol": "TCP"}],
        },
    }


def _disruption_budget(resource: ModelDeployment, version: ServedVersion) -> Manifest:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": _metadata(resource, version),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": _labels(resource, version)}},
    }


def _deployment(resource: ModelDeployment, version: ServedVersion, installation: Installation) -> Manifest:
    labels = _labels(resource, version)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(resource, version),
        "spec": {
            "replicas": resource.spec.realtime.replicas,
            "revisionHistoryLimit": 1,
            "progressDeadlineSeconds": resource.spec.rollout.progress_deadline_seconds,
            "selector": {"matchLabels": labels},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": {"metadata": {"labels": labels}, "spec": _predictor_pod(resource, version, installation)},
        },
    }


def _predictor_pod(resource: ModelDeployment, version: ServedVersion, installation: Installation) -> Manifest:
    return {
        "serviceAccountName": PREDICTOR_ACCOUNT,
        "automountServiceAccountToken": True,
        "terminationGracePeriodSeconds": 30,
        "securityContext": POD_SECURITY,
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": _labels(resource, version)},
            }
        ],
        "containers": [_predictor(resource, version, installation)],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
    }


def _predictor(resource: ModelDeployment, version: ServedVersion, installation: Installation) -> Manifest:
    given = resource.spec.realtime.resources
    return {
        "name": PREDICTOR,
        "image": installation.services_image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-m", "homeostat_services.predictor"],
        "env": [
            {"name": f"HOMEOSTAT_{name}", "value": value} for name, value in _environment(resource, version).items()
        ],
        "envFrom": [{"secretRef": {"name": PLATFORM_SECRET}}],
        "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
        "resources": {
            "requests": {**PREDICTOR_RESOURCES["requests"], **given.requests},
            "limits": {**PREDICTOR_RESOURCES["limits"], **given.limits},
        },
        # Until startup has succeeded the other probes wait: loading a model may take its time on a busy node.
        "startupProbe": _probe("ready", period=1, failures=120),
        "readinessProbe": _probe("ready", period=2, failures=2),
        "livenessProbe": _probe("live", period=10, failures=3),
        # Envoy learns of a leaving endpoint a moment later; until then the pod must still answer.
        "lifecycle": {"preStop": {"sleep": {"seconds": 3}}},
        "securityContext": CONTAINER_SECURITY,
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 - a volume of the pod's own
    }


def _probe(what: str, *, period: int, failures: int) -> Manifest:
    return {
        "httpGet": {"path": f"/v2/health/{what}", "port": "http"},
        "periodSeconds": period,
        "timeoutSeconds": 2,
        "failureThreshold": failures,
    }


def _environment(resource: ModelDeployment, version: ServedVersion) -> dict[str, str]:
    observation = resource.spec.observation
    return {
        "NAMESPACE": resource.metadata.namespace,
        "DEPLOYMENT": resource.metadata.name,
        "VERSION": version.version,
        "MODEL_URI": version.uri,
        "MODEL_DIGEST": version.digest,
        "FEATURES": resource.spec.realtime.features.value,
        "ENTITY_FIELD": observation.entity_field,
        "PAYLOAD_PERCENT": str(observation.payload.percent),
    }


def champion_alias(resource: ModelDeployment) -> str:
    """Alias under which the registry knows the champion of this object."""
    return f"{resource.metadata.namespace}-{resource.metadata.name}-champion"


def evaluation_prefix(resource: ModelDeployment, number: int, bucket: str) -> str:
    """Where the evaluate Job of that number leaves its documents."""
    return run_prefix(bucket, resource.metadata.namespace, resource.metadata.uid, number, EVALUATE)


def evaluate_job(
    resource: ModelDeployment,
    candidate: Candidate,
    champion: ServedVersion | None,
    available: Available,
    installation: Installation,
) -> Manifest:
    """The Job that scores challenger and champion on the holdout of the challenger's dataset."""
    document = EvaluateInput(
        namespace=resource.metadata.namespace,
        challenger=StoredModel(uri=candidate.uri, digest=candidate.digest),
        champion=StoredModel(uri=champion.uri, digest=champion.digest) if champion else None,
        dataset=available.dataset,
        gate=resource.spec.promotion.gate,
        seed=EVALUATE_SEED,
        output=evaluation_prefix(resource, candidate.evaluation, installation.bucket),
    )
    labels = labels_for(resource, EVALUATE, number=candidate.evaluation)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": child_name(resource.metadata.name, EVALUATE, candidate.evaluation),
            "namespace": resource.metadata.namespace,
            "labels": labels,
            "ownerReferences": [owner_reference(resource)],
        },
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": EVALUATE_DEADLINE_SECONDS,
            "ttlSecondsAfterFinished": EVALUATE_TTL_SECONDS,
            "template": {"metadata": {"labels": labels}, "spec": _evaluate_pod(document, installation)},
        },
    }


def _evaluate_pod(document: EvaluateInput, installation: Installation) -> Manifest:
    return {
        "restartPolicy": "Never",
        "serviceAccountName": RUN_ACCOUNT,
        "automountServiceAccountToken": False,
        "securityContext": POD_SECURITY,
        "containers": [
            {
                "name": EVALUATE,
                "image": installation.pipelines_image,
                "imagePullPolicy": "IfNotPresent",
                "command": ["python", "-m", "homeostat_pipelines", EVALUATE],
                "env": [{"name": INPUT_VARIABLE, "value": document.model_dump_json(by_alias=True)}],
                "envFrom": [{"secretRef": {"name": PLATFORM_SECRET}}],
                "resources": EVALUATE_RESOURCES,
                "securityContext": CONTAINER_SECURITY,
                "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 - a volume of the pod's own
            }
        ],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
    }
