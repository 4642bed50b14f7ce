"""The cluster's containerd, from outside: images in, containers out."""

import contextlib
import hashlib
import io
import json
import os
import subprocess
import tarfile
from pathlib import Path

import yaml

from tools.cluster import cgroups, node
from tools.cluster.settings import Settings

PATH = os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin"
"""Debian keeps iptables and others where only root's login shell looks."""


def ctr(settings: Settings, *args: str) -> str:
    """Runs containerd's client.

    Raises:
        subprocess.CalledProcessError: it failed; `stderr` says why.
    """
    argv = ["ctr", f"--address={settings.containerd}", "--namespace=k8s.io", *args]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def remove_containers(settings: Settings) -> None:
    """Ends all pods at once and forgets their containers; images stay."""
    cgroups.kill(settings.name, "kubepods")
    if names := ctr(settings, "containers", "list", "--quiet").split():
        with contextlib.suppress(subprocess.CalledProcessError):  # a container that never ran has no task
            ctr(settings, "tasks", "delete", "--force", *names)
        ctr(settings, "containers", "delete", *names)


def forget_images(settings: Settings) -> None:
    """Removes what earlier contents of our images left; other images, and those of the current Helm values, stay."""
    values = settings.state / "images.yaml"
    current = yaml.safe_load(values.read_text())["images"].values() if values.exists() else []
    kept = {f"{image['repository']}:{image['tag']}" for image in current} | {node.PAUSE_IMAGE}
    named = ctr(settings, "images", "list", "--quiet").split()
    if old := [name for name in named if name.startswith("localhost/homeostat/") and name not in kept]:
        ctr(settings, "images", "remove", *old)


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))


def _blob(archive: tarfile.TarFile, content: bytes) -> dict[str, object]:
    digest = hashlib.sha256(content).hexdigest()
    _add(archive, f"blobs/sha256/{digest}", content)
    return {"digest": f"sha256:{digest}", "size": len(content)}


def _layer(programs: dict[str, Path], target: Path) -> str:
    """Writes a layer of executable files, by their path in the image, and of a /tmp for them; its digest."""
    with tarfile.open(target, "w") as files:
        temporary = tarfile.TarInfo("tmp")
        temporary.type, temporary.mode = tarfile.DIRTYPE, 0o1777
        files.addfile(temporary)
        for name, program in programs.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = program.stat().st_size, 0o755
            with program.open("rb") as content:
                files.addfile(entry, content)
    with target.open("rb") as layer:
        return hashlib.file_digest(layer, "sha256").hexdigest()


def static_image(name: str, programs: dict[str, Path], target: Path, entrypoint: list[str]) -> None:
    """Writes an image of static binaries, and of nothing else, as an OCI archive.

    Args:
        name: Its whole name, for containerd.
        programs: The binaries by their path in the image.
        target: The archive.
        entrypoint: Its default command.
    """
    layer = target.with_suffix(".layer")
    digest = _layer(programs, layer)
    kind = "application/vnd.oci.image"
    config = {
        "architecture": "amd64" if os.uname().machine == "x86_64" else "arm64",
        "os": "linux",
        "config": {"Entrypoint": entrypoint, "User": "65535:65535", "Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }
    with tarfile.open(target, "w") as archive:
        archive.add(layer, f"blobs/sha256/{digest}")
        stored = {"digest": f"sha256:{digest}", "size": layer.stat().st_size}
        manifest = {
            "schemaVersion": 2,
            "mediaType": f"{kind}.manifest.v1+json",
            "config": {
                "mediaType": f"{kind}.config.v1+json",
                **_blob(archive, json.dumps(config).encode()),
            },
            "layers": [{"mediaType": f"{kind}.layer.v1.tar", **stored}],
        }
        named = {"annotations": {"io.containerd.image.name": name}}
        described = {"mediaType": manifest["mediaType"], **_blob(archive, json.dumps(manifest).encode()), **named}
        _add(archive, "index.json", json.dumps({"schemaVersion": 2, "manifests": [described]}).encode())
        _add(archive, "oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
    layer.unlink()
