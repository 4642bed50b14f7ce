"""The operator's binary and its kind, both from the Go module that go/go.mod pins."""

from pathlib import Path
from typing import Any

import yaml

from tools.cluster import golang
from tools.cluster.settings import Settings

MODULE = "github.com/seldonio/seldon-core/operator"
_SOURCES = Path(__file__).parent / "go"
_CRD = "config/crd/bases/machinelearning.seldon.io_seldondeployments.yaml"
_ANYTHING = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def accepted(schema: Any) -> Any:
    """The published schema as a present API server takes it.

    Items without a type (a graph's children, which are graphs again) are refused there, so they become objects of any
    content; and with its descriptions the definition is larger than a request may be.
    """
    if isinstance(schema, list):
        return [accepted(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    # A *property* called description is a schema, not a string.
    kept = {key: accepted(value) for key, value in schema.items() if key != "description" or isinstance(value, dict)}
    items = kept.get("items")
    if kept.get("type") == "array" and isinstance(items, dict) and not _typed(items):
        kept["items"] = dict(_ANYTHING)
    return kept


def _typed(schema: dict[str, Any]) -> bool:
    return "type" in schema or bool(schema.get("x-kubernetes-int-or-string"))


def _make(sources: golang.Sources, target: Path) -> None:
    sources.compile(MODULE, target / "manager", f"Seldon Core operator {sources.required(MODULE)}")
    module = Path(sources.output("list", "-m", "-f", "{{.Dir}}", MODULE).strip())
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # two megabytes take the pure one half a minute
    definition = yaml.load((module / _CRD).read_text(), loader)  # noqa: S506 - both loaders are safe ones
    definition["spec"] = accepted(definition["spec"])
    definition.pop("status", None)
    (target / "crd.yaml").write_text(yaml.safe_dump(definition))


def build(settings: Settings) -> tuple[str, Path]:
    """The version of the operator, with the directory that holds `manager` and `crd.yaml`; made where it is new.

    Raises:
        UserError: there is no suitable Go, no way to its modules, or the build failed.
    """
    sources = golang.Sources(_SOURCES, golang.toolchain(settings.cache))
    directory = settings.cache / "seldon" / sources.key
    golang.once(directory, lambda: _make(sources, directory))
    return sources.required(MODULE), directory
