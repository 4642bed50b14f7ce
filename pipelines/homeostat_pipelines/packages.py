"""Compiled pipelines and their declared parameters."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from homeostat.reconcile.errors import InvalidData
from homeostat_pipelines.bundles import digest_of

COMPILED = Path(__file__).parents[1] / "compiled"
RESERVED = frozenset({"job", "pipeline_digest"})
"""Parameters that the platform fills in."""

_NUMBERS: dict[str, type[int] | type[float]] = {"NUMBER_INTEGER": int, "NUMBER_DOUBLE": float}


@dataclass(frozen=True)
class Package:
    """A compiled pipeline."""

    path: Path
    digest: str
    parameters: dict[str, dict[str, Any]]

    def arguments(self, given: dict[str, str]) -> dict[str, int | float | str]:
        """Parameters of a spec as the package declares them.

        Raises:
            InvalidData: A parameter is unknown, or its text is not of its type.
        """
        return {name: self._argument(name, text) for name, text in given.items()}

    def _argument(self, name: str, text: str) -> int | float | str:
        allowed = sorted(self.parameters.keys() - RESERVED)
        if name not in allowed:
            raise InvalidData(f"parameter {name!r} is unknown to the pipeline; it has {', '.join(allowed)}")
        kind = self.parameters[name]["parameterType"]
        if kind not in _NUMBERS:
            return text
        try:
            number: int | float = _NUMBERS[kind](text)
        except ValueError:
            wanted = "a whole number" if kind == "NUMBER_INTEGER" else "a number"
            raise InvalidData(f"parameter {name!r} is {text!r}; write {wanted}") from None
        return number


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
