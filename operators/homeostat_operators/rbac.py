"""What each operator may do: exactly the requests that it makes, and the manifests that grant them.

``python -m homeostat_operators.rbac`` writes them in the repository's root; ``--check`` writes nothing and exits with 1
when something would change.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from homeostat.api.common import GROUP
from homeostat.api.v1alpha1 import KINDS, FeatureSet, ModelDeployment, Monitor, TrainingJob

READ = ("get", "list", "watch")
MAKE = (*READ, "create", "delete")
CONVERGE = (*READ, "create", "patch", "delete")

MANIFESTS = Path("manifests/rbac/operators.yaml")
TEMPLATE = Path("charts/homeostat/templates/rbac-operators.yaml")
_HEADER = "# Generated from operators/homeostat_operators/rbac.py by `make generate`; not to be edited.\n"
_NAMESPACE = "homeostat-system"


@dataclass(frozen=True)
class Rule:
    """A rule of a ClusterRole."""

    group: str
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    names: tuple[str, ...] = ()

    def manifest(self) -> dict[str, Any]:
        """The rule as Kubernetes writes it."""
        rule = {"apiGroups": [self.group], "resources": list(self.resources), "verbs": list(self.verbs)}
        return {**rule, "resourceNames": list(self.names)} if self.names else rule


def _own(plural: str) -> tuple[Rule, ...]:
    return (
        Rule(GROUP, (plural,), READ),
        Rule(GROUP, (f"{plural}/status",), ("update",)),
        # To be named as an owner that waits for its children, where the cluster enforces that permission.
        Rule(GROUP, (f"{plural}/finalizers",), ("update",)),
        Rule("", ("events",), ("create",)),
    )


COHORTS = Rule(GROUP, (f"{ModelDeployment.PLURAL}/cohorts",), ("get",))
"""Not the API server's but the observer's, which asks for the permission to tell how predictions fared."""

RUNS = (Rule("batch", ("jobs",), MAKE), Rule("", ("pods",), ("list",)))
"""Runs of the Local engine, and their pods, which say why a run waits or failed."""

RULES: dict[str, tuple[Rule, ...]] = {
    FeatureSet.KIND: (*_own(FeatureSet.PLURAL), *RUNS),
    TrainingJob.KIND: (
        *_own(TrainingJob.PLURAL),
        Rule(GROUP, (FeatureSet.PLURAL, ModelDeployment.PLURAL), READ),
        *RUNS,
        # Its uid tells this cluster from others that use the same Kubeflow Pipelines.
        Rule("", ("namespaces",), ("get",), ("kube-system",)),
    ),
    ModelDeployment.KIND: (
        *_own(ModelDeployment.PLURAL),
        Rule(GROUP, (TrainingJob.PLURAL,), READ),
        Rule("batch", ("jobs",), MAKE),
        Rule("apps", ("deployments",), CONVERGE),
        Rule("", ("services",), CONVERGE),
        Rule("policy", ("poddisruptionbudgets",), CONVERGE),
        Rule("", ("pods",), READ),
        COHORTS,
    ),
    Monitor.KIND: (
        *_own(Monitor.PLURAL),
        Rule(GROUP, (FeatureSet.PLURAL, ModelDeployment.PLURAL), READ),
        Rule(GROUP, (TrainingJob.PLURAL,), (*READ, "create")),
        COHORTS,
    ),
}


def documents(kind: str, namespace: str) -> list[dict[str, Any]]:
    """ServiceAccount, ClusterRole and ClusterRoleBinding of an operator."""
    name = f"homeostat-operator-{kind.lower()}"
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
    account = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": name},
            "rules": [rule.manifest() for rule in RULES[kind]],
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": role,
            "subjects": [account],
        },
    ]


def generated() -> dict[Path, str]:
    """Content of every generated file, by its path in the repository."""
    plain, template = (
        _HEADER + yaml.safe_dump_all([d for kind in KINDS for d in documents(kind.KIND, namespace)], sort_keys=False)
        for namespace in (_NAMESPACE, "{{ .Release.Namespace }}")
    )
    return {MANIFESTS: plain, TEMPLATE: template}


def main() -> int:
    """Entry point; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m homeostat_operators.rbac", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, name what is not up to date")
    check = parser.parse_args().check
    wrong = [path for path, text in generated().items() if not path.is_file() or path.read_text() != text]
    for path in wrong:
        if check:
            sys.stderr.write(f"{path} is not up to date; run make generate and commit the result\n")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(generated()[path])
    return 1 if check and wrong else 0


if __name__ == "__main__":
    sys.exit(main())
