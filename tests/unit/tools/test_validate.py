import copy
from typing import Any

import pytest
import yaml

from tools.validate import problems, schemas

KNOWN = schemas()
DEPLOYMENT: dict[str, Any] = yaml.safe_load("""
apiVersion: apps/v1
kind: Deployment
metadata: {name: one, labels: {app: one}}
spec:
  replicas: 1
  selector: {matchLabels: {app: one}}
  template:
    metadata: {labels: {app: one}}
    spec:
      containers:
        - name: one
          image: one:1
          ports: [{name: http, containerPort: 8080}]
          readinessProbe: {httpGet: {path: /readyz, port: http}}
          resources: {requests: {cpu: 25m}}
""")


def changed(*path: str | int, to: Any) -> dict[str, Any]:
    document = copy.deepcopy(DEPLOYMENT)
    node: Any = document
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = to
    return document


CONTAINER = ("spec", "template", "spec", "containers", 0)


def test_an_object_that_fits_has_no_problems() -> None:
    assert problems(DEPLOYMENT, KNOWN, "chart") == []


@pytest.mark.parametrize(
    ("document", "told"),
    [
        (changed(*CONTAINER, "imagePulPolicy", to="Always"), "spec.template.spec.containers.0.imagePulPolicy: Extra"),
        (changed("spec", "replicas", to="1"), "spec.replicas: Input should be a valid integer ('1')"),
        (changed("metadata", "labels", to={"app": 1}), "metadata.labels.app: Input should be a valid string (1)"),
        (changed("spec", "template", "spec", "containers", to={}), "spec.template.spec.containers: Input should be"),
        (changed(*CONTAINER, to={"image": "one:1"}), "spec.template.spec.containers.0.name: Field required"),
        (changed("kind", to="Deplyment"), "kind 'Deplyment' of apps/v1 is unknown"),
    ],
)
def test_what_kubernetes_would_refuse_is_named_with_its_path(document: dict[str, Any], told: str) -> None:
    found = problems(document, KNOWN, "chart")
    assert len(found) == 1
    assert told in found[0]


def test_an_unknown_field_of_a_kind_of_ours_is_named() -> None:
    document = {"apiVersion": "homeostat.dev/v1alpha1", "kind": "Monitor", "metadata": {"name": "m"}}
    found = problems({**document, "spec": {"suspended": True}}, KNOWN, "sample")
    assert any("suspended" in text for text in found)
