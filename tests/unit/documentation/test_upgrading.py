"""Every field that a release had and this one no longer has is in the upgrade notes."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from homeostat.api.crdgen.definition import definition
from homeostat.api.v1alpha1 import KINDS
from unit.documentation import pages

RELEASES = sorted((Path(__file__).parent / "fields").glob("*.txt"))


def fields(schema: Mapping[str, Any], path: str) -> Iterator[str]:
    """Paths of all fields below one, as `kubectl explain --recursive` lists them."""
    for name, field in schema.get("properties", {}).items():
        yield f"{path}.{name}"
        yield from fields(field, f"{path}.{name}")
        yield from fields(field.get("items", {}), f"{path}.{name}[]")


def current() -> set[str]:
    """Paths of all fields of the kinds, each with its kind."""
    schemas = {kind.KIND: definition(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"] for kind in KINDS}
    return {path for kind, schema in schemas.items() for path in fields(schema, kind)}


def named(kind: str) -> set[str]:
    """Words of code in the rows of a kind that tell what changed."""
    notes = (pages.REPOSITORY / "docs" / "upgrading.md").read_text()
    rows = [line.strip("|").split("|") for line in notes.splitlines() if line.startswith("|")]
    before = [cells[1] for cells in rows if kind in cells[0]]
    return set(re.findall(r"[A-Za-z]+", " ".join(re.findall(r"`([^`]+)`", " ".join(before)))))


@pytest.mark.parametrize("release", RELEASES, ids=lambda path: path.stem)
def test_a_field_that_is_gone_is_in_the_upgrade_notes(release: Path) -> None:
    gone = set(release.read_text().split()) - current()
    topmost = {path for path in gone if path.rsplit(".", 1)[0].removesuffix("[]") not in gone}
    unnamed = {path for path in topmost if path.rsplit(".", 1)[1] not in named(path.split(".")[0])}
    assert not unnamed, f"docs/upgrading.md does not say what replaces {sorted(unnamed)}"
