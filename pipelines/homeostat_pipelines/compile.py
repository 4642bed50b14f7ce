"""Compiles the pipelines: ``python -m homeostat_pipelines.compile [--check]``."""

import argparse
import sys
import tempfile
from pathlib import Path

from kfp import compiler

from homeostat_pipelines.pipeline import NAME, tabular
from homeostat_pipelines.training import COMPILED


def compiled() -> dict[str, str]:
    """Text of each package by its name."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{NAME}.yaml"
        compiler.Compiler().compile(tabular, str(path))
        return {NAME: path.read_text()}


def main() -> int:
    """Writes the packages, or with ``--check`` says whether they are up to date; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m homeostat_pipelines.compile", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a package is out of date")
    check = parser.parse_args().check
    for name, text in compiled().items():
        path = COMPILED / f"{name}.yaml"
        if check and (not path.exists() or path.read_text() != text):
            sys.stderr.write(f"{path} is out of date; run make generate\n")
            return 1
        if not check:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
