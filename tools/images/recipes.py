"""What is built: one Dockerfile per image, and the hash over everything that decides its content."""

import hashlib
import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tools.cluster.settings import REPOSITORY, UserError

ROOMS = ("operators", "services", "pipelines")
BACKEND_IMAGES = {"mariadb": "kubeflow/mariadb", "mlmd": "kubeflow/mlmd"}
"""Images of backends, with their folders under `tools`; built only when requested by name."""
EMBEDDED = ("prometheus", "mlflow", "seaweedfs", "envoy", "valkey", "postgres")


@dataclass(frozen=True)
class Recipe:
    """An image's name, as the chart's values call it, and its Dockerfile."""

    name: str
    dockerfile: Path


def recipes(names: list[str]) -> list[Recipe]:
    """The recipes called `names`, or all.

    Raises:
        UserError: there is no image of such a name, or its Dockerfile is missing.
    """
    dockerfiles = {name: REPOSITORY / name / "Dockerfile" for name in ROOMS}
    dockerfiles |= {name: REPOSITORY / "tools" / "images" / name / "Dockerfile" for name in EMBEDDED}
    default = list(dockerfiles)
    dockerfiles |= {name: REPOSITORY / "tools" / folder / "Dockerfile" for name, folder in BACKEND_IMAGES.items()}
    for name in names or default:
        if name not in dockerfiles:
            raise UserError(f"There is no image {name!r}; choose among {', '.join(dockerfiles)}.")
        if not dockerfiles[name].exists():
            raise UserError(
                f"{dockerfiles[name].relative_to(REPOSITORY)} is missing, so image {name!r} cannot be built."
            )
    return [Recipe(name, dockerfiles[name]) for name in names or default]


def _sources(dockerfile: Path) -> list[str]:
    """Paths that `COPY` takes from the repository."""
    text = re.sub(r"\\\n", " ", dockerfile.read_text())
    found: list[str] = []
    for line in text.splitlines():
        words = shlex.split(line, comments=True)
        if words and words[0].upper() in ("COPY", "ADD") and not any(word.startswith("--from=") for word in words):
            found += [word for word in words[1:-1] if not word.startswith("--")]
    return found


def content_tag(recipe: Recipe, base: str, repository: Path = REPOSITORY) -> str:
    """The image's tag: equal exactly when Dockerfile, copied files and base are.

    Raises:
        UserError: the Dockerfile copies something that is not there.
    """
    digest = hashlib.sha256(base.encode() + recipe.dockerfile.read_bytes())
    if sources := _sources(recipe.dockerfile):
        listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", *sources]
        listed = subprocess.run(listing, cwd=repository, check=True, capture_output=True, text=True).stdout
        names = [name for name in sorted(set(listed.split("\0"))) if name and (repository / name).is_file()]
        for source in sources:
            if not any(name == source or name.startswith(source.rstrip("/") + "/") for name in names):
                raise UserError(f"{recipe.dockerfile.relative_to(repository)} copies {source}, which does not exist.")
        for name in names:
            path = repository / name
            digest.update(f"{name}\0{path.stat().st_mode & 0o111}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:12]
