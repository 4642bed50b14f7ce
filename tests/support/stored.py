"""What earlier versions stored, kept in tests/upgrade."""

from pathlib import Path
from typing import Any

import yaml

from homeostat.engines.objects.memory import MemoryObjects

UPGRADE = Path(__file__).parent.parent / "upgrade"
VERSIONS = sorted(path.parent.name for path in UPGRADE.glob("*/records.json"))


def bucket(version: str) -> MemoryObjects:
    """The object store that a version left."""
    root = UPGRADE / version / "bucket"
    files = [path for path in root.rglob("*") if path.is_file()]
    return MemoryObjects({f"s3://homeostat/{path.relative_to(root)}": path.read_bytes() for path in files})


def manifest(version: str, plural: str) -> dict[str, Any]:
    """The object of a kind that a version left."""
    content: dict[str, Any] = yaml.safe_load((UPGRADE / version / "objects" / f"{plural}.yaml").read_text())
    return content
