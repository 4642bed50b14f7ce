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
from homeostat.engines.runs.kubeflow.client import KINDS as KUBEFLOW
from homeostat.engines.runs.kubeflow.client import WORKFLOW
from homeostat.engines.serving.kserve import KINDS as KSERVE
from homeostat.engines.serving.seldon import KINDS as SELDON

READ = ("get", "list", "watch")
MAKE = (*READ, "create", "delete")
CONVERGE = (*READ, "create", "patch", "delete")

MANIFESTS = Path("manifests/rbac/operators.yaml")
TEMPLATE = Path("charts/homeostat/templates/rbac-operators.yaml")
ENGINES_TEMPLATE = Path("charts/homeostat/templates/rbac-engines.yaml")
_HEADER = "# Generated from operators/homeostat_operators/rbac.py by `make generate`; do not edit.\n"
_NAMESPACE = "homeostat-system"


Documents = list[dict[str, Any]]


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


def _rule(kind: tuple[str, str], plural: str, verbs: tuple[str, ...]) -> Rule:
    """Rule for a kind of an engine, given as apiVersion and kind."""
    return Rule(kind[0].partition("/")[0], (plural,), verbs)


def _converge(kinds: dict[tuple[str, str], str]) -> tuple[Rule, ...]:
    return tuple(_rule(kind, plural, CONVERGE) for kind, plural in kinds.items())


def _own(plural: str) -> tuple[Rule, ...]:
    return (
        Rule(GROUP, (plural,), READ),
        Rule(GROUP, (f"{plural}/status",), ("update",)),
        # To be named as an owner that waits for its children, where the cluster enforces that permission.
        Rule(GROUP, (f"{plural}/finalizers",), ("update",)),
        Rule("", ("events",), ("create",)),
    )


COHORTS = Rule(GROUP, (f"{ModelDeployment.PLURAL}/cohorts",), ("get",))
"""A resource of the observer, not of the API server: it authorizes callers that read cohorts by this permission."""

JOBS = (Rule("batch", ("jobs",), MAKE), Rule("", ("events",), ("list",)))
"""Runs of the Local engine, and the events that say why one has no pod."""

RUNS = (*JOBS, Rule("", ("pods",), ("list",)))
"""Runs, and their pods, which say why one waits or failed."""

RULES: dict[str, tuple[Rule, ...]] = {
    FeatureSet.KIND: (*_own(FeatureSet.PLURAL), *RUNS),
    TrainingJob.KIND: (
        *_own(TrainingJob.PLURAL),
        Rule(GROUP, (FeatureSet.PLURAL, ModelDeployment.PLURAL), READ),
        *RUNS,
        # Its uid distinguishes this cluster from others that use the same Kubeflow Pipelines.
        Rule("", ("namespaces",), ("get",), ("kube-system",)),
    ),
    ModelDeployment.KIND: (
        *_own(ModelDeployment.PLURAL),
        Rule(GROUP, (TrainingJob.PLURAL,), READ),
        # The features that a champion needs and the dataset of its challenger does not have.
        Rule(GROUP, (FeatureSet.PLURAL,), ("get",)),
        *JOBS,
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


@dataclass(frozen=True)
class EngineGrant:
    """What an operator may do in addition, where an optional engine is enabled.

    Attributes:
        kind: Kind whose operator uses the engine.
        suffix: Appended to the name of the operator; distinguishes the grants of one operator in one namespace.
        enabled: Value of the chart that enables the engine.
        rules: The rules.
        namespaces: Template expression for the namespaces in which the rules apply; empty: in all of the cluster.
    """

    kind: str
    suffix: str
    enabled: str
    rules: tuple[Rule, ...]
    namespaces: str = ""

    def template(self) -> str:
        """The grant as a part of a chart's template."""
        scope = "{{ . }}" if self.namespaces else ""
        grant = _grant(account_name(self.kind), "{{ $.Release.Namespace }}", self.rules, self.suffix, scope)
        text = f"---\n{_dump(grant)}"
        if self.namespaces:
            text = f"{{{{- range {self.namespaces} }}}}\n{text}{{{{- end }}}}\n"
        return f"{{{{- if {self.enabled} }}}}\n{text}{{{{- end }}}}\n"


ENGINES: tuple[EngineGrant, ...] = (
    # Kubeflow Pipelines reports a run that cannot start as RUNNING: its pods show why. Its Workflow shows the end before the run does.
    EngineGrant(
        TrainingJob.KIND,
        "",
        ".Values.kubeflow.url",
        (Rule("", ("pods", "events"), ("list",)), _rule(WORKFLOW, KUBEFLOW[WORKFLOW], ("list",))),
        namespaces="list .Values.kubeflow.namespace",
    ),
    # Compiled pipelines in ConfigMaps: by name, and only where the platform's Secret is.
    EngineGrant(
        TrainingJob.KIND,
        "-packages",
        ".Values.kubeflow.url",
        (Rule("", ("configmaps",), ("get",)),),
        namespaces="prepend .Values.namespaces .Release.Namespace | uniq",
    ),
    EngineGrant(ModelDeployment.KIND, "-seldon", ".Values.seldon.enabled", _converge(SELDON)),
    EngineGrant(ModelDeployment.KIND, "-kserve", ".Values.kserve.enabled", _converge(KSERVE)),
)


def account_name(kind: str) -> str:
    """Name of the ServiceAccount of a kind's operator, and of what it is granted."""
    return f"homeostat-operator-{kind.lower()}"


def _grant(account: str, namespace: str, rules: tuple[Rule, ...], suffix: str = "", scope: str = "") -> Documents:
    """A role with the rules, and its binding to an account.

    Args:
        account: Name of the ServiceAccount.
        namespace: Its namespace.
        rules: The rules.
        suffix: Appended to the account's name, it names role and binding.
        scope: Namespace in which the rules apply; empty: in all of the cluster.
    """
    kind = "Role" if scope else "ClusterRole"
    metadata = {"name": f"{account}{suffix}", **({"namespace": scope} if scope else {})}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": metadata["name"]}
    subject = {"kind": "ServiceAccount", "name": account, "namespace": namespace}
    api = "rbac.authorization.k8s.io/v1"
    return [
        {"apiVersion": api, "kind": kind, "metadata": metadata, "rules": [rule.manifest() for rule in rules]},
        {"apiVersion": api, "kind": f"{kind}Binding", "metadata": metadata, "roleRef": role, "subjects": [subject]},
    ]


def documents(kind: str, namespace: str) -> Documents:
    """ServiceAccount, ClusterRole and ClusterRoleBinding of an operator."""
    name = account_name(kind)
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}}
    return [account, *_grant(name, namespace, RULES[kind])]


class _Plain(yaml.SafeDumper):
    """Repeats what occurs twice, without anchors."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the signature is yaml's
        return True


def _dump(objects: Documents) -> str:
    return yaml.dump_all(objects, Dumper=_Plain, sort_keys=False)


def generated() -> dict[Path, str]:
    """Content of every generated file, by its path in the repository."""
    plain, template = (
        _HEADER + _dump([d for kind in KINDS for d in documents(kind.KIND, namespace)])
        for namespace in (_NAMESPACE, "{{ .Release.Namespace }}")
    )
    engines = _HEADER + "".join(grant.template() for grant in ENGINES)
    return {MANIFESTS: plain, TEMPLATE: template, ENGINES_TEMPLATE: engines}


def main() -> int:
    """Entry point; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m homeostat_operators.rbac", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; list files that are not up to date")
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
