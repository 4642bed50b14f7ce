"""The base image where no registry can be reached: a small Debian with Python, made by debootstrap."""

import hashlib
import shutil
import subprocess
from pathlib import Path

from tools.cluster.progress import step
from tools.cluster.settings import UserError

_SUITE = "bookworm"
_PACKAGES = "ca-certificates,python3,python3-pip,python3-venv"
_REVISION = "1"  # raise it when the recipe below changes
_UNNEEDED = (
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
    "usr/share/info",
    "var/cache/apt/archives",
    "var/lib/apt/lists",
    "var/log",
    "usr/lib/python3.11/EXTERNALLY-MANAGED",  # an image has one user of its Python: the image
)

TAG = hashlib.sha256(f"{_SUITE} {_PACKAGES} {_REVISION}".encode()).hexdigest()[:12]


def _trim(root: Path) -> None:
    for name in _UNNEEDED:
        path = root / name
        if path.is_dir():
            shutil.rmtree(path)
            path.mkdir()
        else:
            path.unlink(missing_ok=True)
    (root / "var/cache/apt/archives/partial").mkdir(parents=True, exist_ok=True)
    (root / "var/lib/apt/lists/partial").mkdir(parents=True, exist_ok=True)
    (root / "usr/bin/python").symlink_to("python3")


def tarball(cache: Path) -> Path:
    """Returns a tar file of the base's file system, made once.

    Raises:
        UserError: debootstrap failed; its last words are in the message.
    """
    target = cache / f"base-{TAG}.tar"
    if target.exists():
        return target
    root = cache / "base"
    shutil.rmtree(root, ignore_errors=True)
    argv = ["debootstrap", "--variant=minbase", f"--include={_PACKAGES}", _SUITE, str(root)]
    with step("base image (debootstrap)"):
        # In a mount namespace of its own: debootstrap mounts proc below the root and may be interrupted.
        result = subprocess.run(
            ["unshare", "--mount", "--propagation=private", "--", *argv], check=False, capture_output=True, text=True
        )
        if result.returncode != 0:
            raise UserError(f"debootstrap failed: {result.stdout[-800:]}{result.stderr[-400:]}")
        _trim(root)
        unfinished = target.with_suffix(".new")
        subprocess.run(["tar", "-C", str(root), "-cf", str(unfinished), "."], check=True)
        unfinished.rename(target)
        shutil.rmtree(root)
    return target
