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

from cluster import cgroups, node
from cluster.settings import Settings

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


def _add(archive: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    archive.addfile(entry, io.BytesIO(content))


def _blob(archive: tarfile.TarFile, content: bytes) -> dict[str, object]:
    digest = hashlib.sha256(content).hexdigest()
    _add(archive, f"blobs/sha256/{digest}", content)
    return {"digest": f"sha256:{digest}", "size": len(content)}


def pause_image(program: Path, target: Path) -> None:
    """Writes the image of every pod's first container as an OCI archive: one layer with one static binary."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as files:
        _add(files, "pause", program.read_bytes(), 0o755)
    kind = "application/vnd.oci.image"
    config = {
        "architecture": "amd64" if os.uname().machine == "x86_64" else "arm64",
        "os": "linux",
        "config": {"Entrypoint": ["/pause"], "User": "65535:65535"},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer.getvalue()).hexdigest()]},
    }
    with tarfile.open(target, "w") as archive:
        manifest = {
            "schemaVersion": 2,
            "mediaType": f"{kind}.manifest.v1+json",
            "config": {
                "mediaType": f"{kind}.config.v1+json",
                **_blob(archive, json.dumps(config).encode()),
            },
            "layers": [{"mediaType": f"{kind}.layer.v1.tar", **_blob(archive, layer.getvalue())}],
        }
        named = {"annotations": {"io.containerd.image.name": node.PAUSE_IMAGE}}
        described = {"mediaType": manifest["mediaType"], **_blob(archive, json.dumps(manifest).encode()), **named}
        _add(archive, "index.json", json.dumps({"schemaVersion": 2, "manifests": [described]}).encode())
        _add(archive, "oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
