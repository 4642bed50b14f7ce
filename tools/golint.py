"""`python -m tools.golint`: gofmt and go vet over the Go of this repository; for `make verify` and pre-commit."""

import subprocess
import sys
from pathlib import Path

from tools.cluster import binary, golang, settings
from tools.cluster.settings import REPOSITORY, UserError


def unformatted(program: str, files: list[Path]) -> list[str]:
    """What `gofmt -d` would change: a diff for every file that it would write otherwise, or its error."""
    done = subprocess.run([program, "-d", *map(str, files)], capture_output=True, text=True, check=False)
    return [text for text in (done.stdout.strip(), done.stderr.strip()) if text]


def main() -> int:
    """Prints what is wrong, or that nothing is; 1 if something is."""
    cluster = settings.load()
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.go"],
        cwd=REPOSITORY, check=True, capture_output=True, text=True,
    ).stdout.split()  # fmt: skip
    files = [REPOSITORY / name for name in listed if (REPOSITORY / name).exists()]
    wrong, vetted = list[str](), ""
    try:
        go = golang.toolchain(cluster.cache)
        wrong += unformatted(go.gofmt, files)
        vetted = "go vet runs with the first build of Kubernetes"
        # vet needs the compiled packages of all that is imported. Where Kubernetes was never compiled it would take ten
        # minutes here, so there it is left to the build, which never goes without it.
        if binary.built_before(cluster):
            golang.Sources(binary.SOURCES, go).vet()
            vetted = "go vet: clean"
    except UserError as error:
        wrong.append(str(error))
    print("\n".join(wrong) or f"gofmt: {len(files)} files clean; {vetted}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
