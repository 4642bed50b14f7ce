"""kubectl in the documentation: kinds, fields, conditions, annotations, labels and objects that it names exist."""

import json
import re
from collections.abc import Callable
from functools import cache
from typing import Any

import yaml

from homeostat.api.common import GROUP, ConditionType
from homeostat.api.v1alpha1 import KINDS
from homeostat.api.v1alpha1.trainingjob import SUCCEEDED
from homeostat_operators.featureset.conditions import FRESH
from homeostat_operators.modeldeployment.conditions import OBSERVED
from tools.cluster.helm import helm
from tools.cluster.settings import load
from tools.validate import CHART, schemas
from unit.documentation.pages import REPOSITORY
from unit.documentation.shell import Command, Invalid, is_placeholder, options

Named = dict[str, list[str]]
"""Values by option."""
VALUED = {
    "-c", "-f", "-l", "-n", "-o", "-p", "--container", "--context", "--filename", "--for", "--namespace", "--output",
    "--patch", "--resource", "--role", "--selector", "--serviceaccount", "--tail", "--timeout", "--type", "--user", "--verb",
}  # fmt: skip
SWITCHES = {"-A", "-w", "--all-namespaces", "--overwrite", "--prefix", "--server-side", "--watch"}
VERBS = {"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"}
OUTPUTS = {"json", "name", "wide", "yaml"}
BUILT_IN = {
    "ConfigMap": {"configmap", "configmaps", "cm"},
    "Deployment": {"deployment", "deployments", "deploy"},
    "Event": {"event", "events"},
    "Job": {"job", "jobs"},
    "Namespace": {"namespace", "namespaces", "ns"},
    "Node": {"node", "nodes"},
    "Pod": {"pod", "pods", "po"},
    "Secret": {"secret", "secrets"},
    "Service": {"service", "services", "svc"},
    "ServiceAccount": {"serviceaccount", "serviceaccounts", "sa"},
}
CONDITIONS = {
    "FeatureSet": {FRESH},
    "TrainingJob": {SUCCEEDED},
    "ModelDeployment": {OBSERVED},
    "Monitor": set[str](),
    "Job": {"Complete", "Failed"},
    "Deployment": {"Available", "Progressing"},
    "Pod": {"Ready", "Initialized", "PodScheduled"},
}
KSTATUS = {condition.value for condition in ConditionType}
OURS = {kind.KIND for kind in KINDS}
CATEGORY = "homeostat"
INSTALLED = "homeostat-system"
SOURCES = "".join(
    path.read_text() for room in ("src", "operators", "services") for path in (REPOSITORY / room).rglob("*.py")
)
KEYS = set(re.findall(r"\"homeostat\.dev/([\w-]+)\"", SOURCES)) | set(re.findall(r"\{GROUP\}/([\w-]+)", SOURCES))
"""Labels and annotations that the code reads or writes."""


_schemas = cache(schemas)


@cache
def _chart() -> dict[str, set[str]]:
    """Names of the chart's objects by kind."""
    text = helm(load(), "template", "homeostat", str(CHART), "--namespace", INSTALLED)
    names: dict[str, set[str]] = {}
    for found in yaml.safe_load_all(text):
        if found:
            names.setdefault(found["kind"], set()).add(found["metadata"]["name"])
    return names


def _names(kind: Any) -> set[str]:
    words = {kind.KIND.lower(), kind.PLURAL}
    return {*words, kind.SHORT_NAME, *(f"{word}.{GROUP}" for word in words)}


def kind_of(word: str) -> str:
    """The kind that a word names: singular, plural, short name, with or without its group."""
    names = {kind.KIND: _names(kind) for kind in KINDS} | BUILT_IN | {CATEGORY: {CATEGORY}}
    for kind, known in names.items():
        if word.lower() in known:
            return kind
    raise Invalid(f"kind {word!r} is unknown")


def check_field(kind: str, path: str) -> None:
    """A dotted path of fields of one of our kinds; list items are `[…]`."""
    if kind not in OURS:
        raise Invalid(f"fields of {kind} are not validated")
    schema = _schemas()[kind]
    for part in re.sub(r"\[[^\]]*\]", "", path).strip(".").split("."):
        if schema.get("type") == "array":
            schema = schema["items"]
        if "additionalProperties" in schema or schema.get("properties") is None:
            return
        if part not in schema["properties"]:
            raise Invalid(f"{kind} has no field {path.strip('.')!r}: {part!r} is unknown")
        schema = schema["properties"][part]


def check_json_path(kind: str, text: str) -> None:
    """Fields and conditions of a JSONPath template."""
    for expression in re.findall(r"\{([^{}]*)\}", text):
        for condition in re.findall(r"@\.type==[\"'](\w+)[\"']", expression):
            check_condition(kind, condition)
        check_field(kind, expression)


def check_condition(kind: str | None, condition: str) -> None:
    """A condition type of a kind; of any where the command names none."""
    own = set().union(*CONDITIONS.values()) if kind is None else CONDITIONS.get(kind, set())
    if condition not in own | (KSTATUS if kind is None or kind in OURS else set()):
        raise Invalid(f"{kind or 'no kind'} has no condition {condition!r}")


def check_key(key: str) -> None:
    """A label or an annotation of ours."""
    group, _, name = key.rpartition("/")
    if group not in {"", "app.kubernetes.io", "kubernetes.io"} and (group != GROUP or name not in KEYS):
        raise Invalid(f"no code reads or writes {key!r}")


def check_selector(text: str) -> None:
    for part in text.split(","):
        check_key(re.split(r"!?=", part.strip("!"))[0])


def _target(words: list[str], named: Named, command: Command) -> str | None:
    """The kind that a command is about; checks that an object of the chart exists."""
    if not words:
        if command.inline:
            return None
        raise Invalid("it names no object")
    types, slash, name = words[0].partition("/")
    kinds = [kind_of(word) for word in types.split(",")]
    name = name if slash else next(iter(words[1:2]), "")
    installed = INSTALLED in named.get("-n", []) + named.get("--namespace", [])
    if name and installed and kinds[0] in {"Deployment", "Service"} and name not in _chart().get(kinds[0], set()):
        raise Invalid(f"the chart has no {kinds[0]} {name!r}")
    return kinds[0]


def _read(words: list[str], named: Named, command: Command) -> None:
    """get, describe and delete."""
    kind = _target(words, named, command)
    for output in named.get("-o", []) + named.get("--output", []):
        form, _, template = output.partition("=")
        if form == "jsonpath" and kind is not None:
            check_json_path(kind, template)
        elif form == "custom-columns" and kind is not None:
            for column in template.split(","):
                check_field(kind, column.partition(":")[2])
        elif form not in OUTPUTS:
            raise Invalid(f"output {form!r} is unknown")


def _explain(words: list[str], _named: Named, _command: Command) -> None:
    for word in words:
        name, _, path = word.partition(".")
        kind = kind_of(name)
        if path:
            check_field(kind, path)


def _mark(words: list[str], named: Named, command: Command) -> None:
    """annotate and label."""
    marks = [word for word in words if "=" in word or word.endswith("-")]
    _target([word for word in words if word not in marks], named, command)
    if not marks and not command.inline:
        raise Invalid("it sets nothing")
    for mark in marks:
        check_key(mark.partition("=")[0].rstrip("-"))


def _wait(words: list[str], named: Named, command: Command) -> None:
    kind = _target(words, named, command)
    for wanted in named.get("--for", []):
        form, _, rest = wanted.partition("=")
        if form == "condition":
            check_condition(kind, rest.partition("=")[0])
        elif form == "jsonpath" and kind is not None:
            check_json_path(kind, rest)
        elif form not in {"delete", "create"}:
            raise Invalid(f"--for={wanted} is not validated")


def _keys(document: Any, path: str = "") -> list[str]:
    if not isinstance(document, dict) or not document:
        return [path]
    return [found for key, value in document.items() for found in _keys(value, f"{path}.{key}")]


def _patch(words: list[str], named: Named, command: Command) -> None:
    kind = _target(words, named, command)
    if named.get("--type", ["merge"]) != ["merge"]:
        raise Invalid("only --type=merge is validated")
    for patch in named.get("-p", []) + named.get("--patch", []):
        for path in _keys(json.loads(patch)):
            check_field(str(kind), path)


def _apply(_words: list[str], named: Named, _command: Command) -> None:
    for path in named.get("-f", []) + named.get("--filename", []):
        if path != "-" and not is_placeholder(path) and not (REPOSITORY / path).exists():
            raise Invalid(f"there is no file {path}")


def _create(words: list[str], named: Named, _command: Command) -> None:
    if words[:1] not in (["serviceaccount"], ["role"], ["rolebinding"], ["token"], ["namespace"]):
        raise Invalid(f"create {' '.join(words[:1])} is not validated")
    verbs = {verb for verbs in named.get("--verb", []) for verb in verbs.split(",")}
    if unknown := verbs - VERBS:
        raise Invalid(f"verb {min(unknown)!r} is unknown")
    for resource in (each for each in ",".join(named.get("--resource", [])).split(",") if each):
        plural, _, _ = resource.partition("/")
        if plural not in {f"{kind.PLURAL}.{GROUP}" for kind in KINDS}:
            raise Invalid(f"resource {resource!r} is unknown")


def _logs(words: list[str], named: Named, command: Command) -> None:
    if "-l" not in named:
        _target(words if not words or "/" in words[0] else ["pod", *words], named, command)


ACTIONS: dict[str, Callable[[list[str], Named, Command], None]] = {
    "annotate": _mark,
    "apply": _apply,
    "create": _create,
    "delete": _read,
    "describe": _read,
    "explain": _explain,
    "get": _read,
    "label": _mark,
    "logs": _logs,
    "patch": _patch,
    "wait": _wait,
}


def check(command: Command) -> None:
    """A command of kubectl.

    Raises:
        Invalid: Part of it does not exist.
    """
    words, named = options(command.words[1:], VALUED - ({"-f"} if "logs" in command.words else set()), SWITCHES)
    if not words:
        raise Invalid("kubectl needs a command")
    verb, *rest = words
    for selector in named.get("-l", []) + named.get("--selector", []):
        check_selector(selector)
    if verb not in ACTIONS:
        raise Invalid(f"kubectl {verb} is not validated")
    ACTIONS[verb](rest, named, command)
