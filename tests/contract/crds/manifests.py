"""Manifests to accept and to refuse: a valid one, with fields set or removed by their path."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from homeostat.api.common import Resource
from homeostat.api.v1alpha1 import KINDS
from homeostat.testing.builders import a_feature_set, a_model_deployment, a_monitor, a_training_job

Manifest = dict[str, Any]
ABSENT = object()
"""Instead of a value: the field is left out."""

PLURALS = {kind.KIND: kind.PLURAL for kind in KINDS}
_BUILDERS: dict[str, Callable[[], Resource[Any, Any]]] = {
    "FeatureSet": a_feature_set,
    "TrainingJob": a_training_job,
    "ModelDeployment": a_model_deployment,
    "Monitor": a_monitor,
}


@dataclass(frozen=True)
class Case:
    """Changes to a valid manifest; `message` is a part of the refusal, empty where it is accepted."""

    kind: str
    changes: dict[str, Any]
    message: str = ""

    def __str__(self) -> str:
        fields = ",".join(f"{p}={'absent' if v is ABSENT else str(v)[:24]}" for p, v in self.changes.items())
        return f"{self.kind}:{fields}"


def valid(kind: str) -> Manifest:
    """A valid manifest."""
    resource = _BUILDERS[kind]()
    body = resource.model_dump(by_alias=True, mode="json", exclude_unset=True, include={"api_version", "kind", "spec"})
    return {**body, "metadata": {"name": resource.metadata.name}}


def changed(manifest: Manifest, changes: dict[str, Any]) -> Manifest:
    """The manifest with fields under ``spec`` set by their path, for example ``features.0.type``; ``metadata.…`` as it is."""
    result = copy.deepcopy(manifest)
    for path, value in changes.items():
        parts = path.split(".") if path.startswith("metadata.") else ["spec", *path.split(".")]
        node: Any = result
        for part in parts[:-1]:
            node = node[int(part)] if isinstance(node, list) else node.setdefault(part, {})
        last = parts[-1]
        if value is ABSENT:
            del node[int(last) if isinstance(node, list) else last]
        elif isinstance(node, list):
            node[int(last)] = value
        else:
            node[last] = value
    return result
