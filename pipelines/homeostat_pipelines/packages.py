"""Compiled pipelines and their declared parameters."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from homeostat.artifacts.bundle import digest_of
from homeostat.engines.runs.parameters import Value, arguments
from homeostat.reconcile.errors import InvalidData

_IN_WHEEL, _IN_CHECKOUT = Path(__file__).parent / "compiled", Path(__file__).parents[1] / "compiled"
COMPILED = _IN_WHEEL if _IN_WHEEL.is_dir() else _IN_CHECKOUT


@dataclass(frozen=True)
class Package:
    """A compiled pipeline."""

    path: Path
    digest: str
    parameters: dict[str, dict[str, Any]]

    def arguments(self, given: dict[str, str]) -> dict[str, Value]:
        """Parameters of a spec as the package declares them.

        Raises:
            InvalidSpec: A parameter is unknown, or its text is not of its type.
        """
        return arguments(self.parameters, given)


def package(name: str) -> Package:
    """A pipeline that ships with the platform.

    Raises:
        InvalidData: There is none of that name.
    """
    path = COMPILED / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in COMPILED.glob("*.yaml")))
        raise InvalidData(f"pipeline {name!r} is unknown; spec.pipeline.name is one of {known}")
    content = path.read_bytes()
    parameters = yaml.safe_load(content)["root"]["inputDefinitions"]["parameters"]
    return Package(path, digest_of(content), parameters)
