"""KServe's definition of its kind, from the Go module that go/go.mod pins."""

import json
from pathlib import Path
from typing import Any

import yaml

from tools.cluster import golang
from tools.cluster.settings import Settings

MODULE = "github.com/kserve/kserve"
_SOURCES = Path(__file__).parent / "go"
_KEPT = "inferenceservices.json"
_DEFINITION = "config/crd/full/serving.kserve.io_inferenceservices.yaml"


def definition(settings: Settings) -> dict[str, Any]:
    """The CustomResourceDefinition of InferenceService.

    Raises:
        UserError: there is no suitable Go, or no way to its modules.
    """
    sources = golang.Sources(_SOURCES, golang.toolchain(settings.cache))
    directory = settings.cache / "kserve" / sources.key
    golang.once(directory, lambda: _keep(sources, directory / _KEPT))
    return dict(json.loads((directory / _KEPT).read_text()))


def _keep(sources: golang.Sources, target: Path) -> None:
    module = json.loads(sources.output("mod", "download", "-json", MODULE))["Dir"]
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # a megabyte takes the pure one a while
    text = (Path(module) / _DEFINITION).read_text()
    target.write_text(json.dumps(yaml.load(text, loader)))  # noqa: S506 - both loaders are safe ones
