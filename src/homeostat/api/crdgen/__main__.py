"""Writes the generated files, or says which of them are not up to date.

Run in the repository's root; ``--check`` writes nothing and exits with 1 when something would change.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import yaml

from homeostat.api.crdgen.definition import definition
from homeostat.api.crdgen.reference import reference
from homeostat.api.v1alpha1 import KINDS

MANIFESTS = Path("manifests/crds")
TEMPLATES = Path("charts/homeostat/templates/crds")
REFERENCE = Path("docs/reference/api.md")
_HEADER = "# Generated from src/homeostat/api by `make generate`; do not edit.\n"


def generated() -> dict[Path, str]:
    """Content of every generated file, by its path in the repository."""
    files = {REFERENCE: reference(KINDS)}
    for kind in KINDS:
        crd = definition(kind)
        files[MANIFESTS / f"{kind.PLURAL}.yaml"] = _HEADER + _yaml(crd)
        # An uninstall must not delete what users made; a `crds/` folder would never be upgraded.
        kept = {**crd, "metadata": {**crd["metadata"], "annotations": {"helm.sh/resource-policy": "keep"}}}
        template = f"{_HEADER}{{{{- if .Values.crds.install }}}}\n{_yaml(kept)}{{{{- end }}}}\n"
        files[TEMPLATES / f"{kind.PLURAL}.yaml"] = template
    return files


def outdated(root: Path) -> list[Path]:
    """Generated files that are missing or differ, and files in their folders that nothing generates."""
    files = generated()
    wrong = [p for p, text in files.items() if not (root / p).is_file() or (root / p).read_text() != text]
    there = [path.relative_to(root) for folder in (MANIFESTS, TEMPLATES) for path in (root / folder).glob("*")]
    return sorted({*wrong, *(path for path in there if path not in files)})


def main() -> int:
    """Entry point; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m homeostat.api.crdgen", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; list files that are not up to date")
    check = parser.parse_args().check
    root = Path.cwd()
    if check:
        wrong = outdated(root)
        for path in wrong:
            sys.stderr.write(f"{path} is not up to date; run make generate and commit the result\n")
        return 1 if wrong else 0
    for path, text in generated().items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return 0


def _yaml(document: dict[str, Any]) -> str:
    return str(yaml.dump(document, sort_keys=False, width=120, allow_unicode=True, Dumper=_Plain))


class _Plain(yaml.SafeDumper):
    """Writes values that occur twice in full, without anchors."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the dumper's signature
        return True


if __name__ == "__main__":
    sys.exit(main())
