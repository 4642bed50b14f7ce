"""The objects that the operator needs, with no more rights than serving without Istio, Ambassador and KEDA takes."""

import base64
from typing import Any

Object = dict[str, Any]

NAMESPACE = "seldon-system"
NAME = "seldon-controller-manager"
WEBHOOK = "seldon-webhook-service"
GROUP = "machinelearning.seldon.io"
LABELS = {"app.kubernetes.io/name": NAME}
_CERTIFICATES = "/tmp/k8s-webhook-server/serving-certs"  # noqa: S108 - where controller-runtime looks
_OWNED = ["get", "list", "watch", "create", "update", "patch", "delete"]


def _named(api: str, kind: str, name: str, *, namespaced: bool = True, **content: Any) -> Object:
    where = {"namespace": NAMESPACE} if namespaced else {}
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, "labels": LABELS, **where}, **content}


def _rule(group: str, resources: list[str], verbs: list[str]) -> Object:
    return {"apiGroups": [group], "resources": resources, "verbs": verbs}


def _access() -> list[Object]:
    rules = [
        _rule(GROUP, ["seldondeployments"], ["get", "list", "watch", "update", "patch"]),
        _rule(GROUP, ["seldondeployments/status", "seldondeployments/finalizers"], ["get", "update", "patch"]),
        _rule("apps", ["deployments"], _OWNED),
        _rule("", ["services"], _OWNED),
        _rule("autoscaling", ["horizontalpodautoscalers"], _OWNED),
        _rule("policy", ["poddisruptionbudgets"], _OWNED),
        _rule("", ["namespaces"], ["get", "list", "watch"]),
        _rule("", ["events"], ["create", "patch"]),
    ]
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": NAME}
    subject = {"kind": "ServiceAccount", "name": NAME, "namespace": NAMESPACE}
    rbac = "rbac.authorization.k8s.io/v1"
    return [
        _named("v1", "ServiceAccount", NAME),
        _named(rbac, "ClusterRole", NAME, namespaced=False, rules=rules),
        _named(rbac, "ClusterRoleBinding", NAME, namespaced=False, roleRef=role, subjects=[subject]),
    ]


def _container(image: str) -> Object:
    variables = {
        "AMBASSADOR_ENABLED": "false",
        "AMBASSADOR_VERSION": "v1",  # without it the operator would take it for v1 here and for v2 there
        "ISTIO_ENABLED": "false",
        "KEDA_ENABLED": "false",
        "PREDICTIVE_UNIT_HTTP_SERVICE_PORT": "9000",
        "PREDICTIVE_UNIT_GRPC_SERVICE_PORT": "9500",
        "POD_NAMESPACE": NAMESPACE,
    }
    return {
        "name": "manager",
        "image": image,
        "imagePullPolicy": "Never",
        "args": ["--webhook-port=4443", "--metrics-addr=:8080"],
        "env": [{"name": name, "value": value} for name, value in variables.items()],
        "ports": [{"name": "webhook", "containerPort": 4443}, {"name": "metrics", "containerPort": 8080}],
        "readinessProbe": {"tcpSocket": {"port": "webhook"}, "periodSeconds": 2},
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "300Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "certificates", "mountPath": _CERTIFICATES, "readOnly": True}],
    }


def _deployment(image: str) -> Object:
    pod = {
        "serviceAccountName": NAME,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [_container(image)],
        "volumes": [{"name": "certificates", "secret": {"secretName": WEBHOOK}}],
    }
    spec = {
        "replicas": 1,
        "strategy": {"type": "Recreate"},  # without leader election there must never be two
        "selector": {"matchLabels": LABELS},
        "template": {"metadata": {"labels": LABELS}, "spec": pod},
    }
    return _named("apps/v1", "Deployment", NAME, spec=spec)


def _webhook(authority: bytes) -> Object:
    service = {
        "name": WEBHOOK,
        "namespace": NAMESPACE,
        "path": "/validate-machinelearning-seldon-io-v1-seldondeployment",
    }
    webhook = {
        "name": "v1.vseldondeployment.kb.io",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Fail",  # the operator panics over what only the webhook refuses
        "timeoutSeconds": 5,
        "clientConfig": {"service": service, "caBundle": base64.b64encode(authority).decode()},
        "rules": [{
            "apiGroups": [GROUP], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"],
            "resources": ["seldondeployments"],
        }],
    }  # fmt: skip
    api = "admissionregistration.k8s.io/v1"
    return _named(api, "ValidatingWebhookConfiguration", NAME, namespaced=False, webhooks=[webhook])


def objects(image: str, authority: bytes, certificate: bytes, key: bytes) -> list[Object]:
    """Everything but the kind; `authority`, `certificate` and `key` are PEM."""
    pair = {
        "tls.crt": base64.b64encode(certificate).decode(),
        "tls.key": base64.b64encode(key).decode(),
    }
    ports = [{"name": "webhook", "port": 443, "targetPort": "webhook"}]
    return [
        _named("v1", "Namespace", NAMESPACE, namespaced=False),
        *_access(),
        _named("v1", "Secret", WEBHOOK, type="kubernetes.io/tls", data=pair),
        _named("v1", "Service", WEBHOOK, spec={"selector": LABELS, "ports": ports}),
        _deployment(image),
        _webhook(authority),
    ]
