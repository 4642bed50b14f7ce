"""Two ways from a Dockerfile to an image: a docker engine, or buildah on a base of our own."""

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Protocol

from cluster import preflight
from cluster.settings import REPOSITORY, Settings, UserError
from images import base
from images.recipes import Recipe

_PACKAGES = {
    "buildah": ("buildah", "builds images without a docker engine"),
    "debootstrap": ("debootstrap", "makes their base image"),
}


_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"


class Engine(Protocol):
    """What both can do; image names are whole references, `repository:tag`."""

    base: str
    """What decides the content of the base image, for the tags."""

    def has(self, image: str) -> bool:
        """Whether the image was built here before."""
        ...

    def build(self, recipe: Recipe, image: str) -> None:
        """Builds it, with the repository as context."""
        ...

    def archive(self, images: list[str], directory: Path) -> Path:
        """Writes one tar file with all `images`, which containerd can import."""
        ...

    def push(self, image: str) -> None:
        """Pushes it to the registry that its name says."""
        ...


def _checked(argv: list[str], what: str, env: dict[str, str] | None = None) -> str:
    result = subprocess.run(argv, cwd=REPOSITORY, env=env, check=False, capture_output=True, text=True)
    if result.returncode != 0:
        raise UserError(f"{what} failed:\n{result.stdout[-1500:]}{result.stderr[-1500:]}")
    return result.stdout


class Docker:
    """A docker engine that answers."""

    base = "docker"

    def has(self, image: str) -> bool:
        """See `Engine`."""
        return subprocess.run(["docker", "image", "inspect", image], check=False, capture_output=True).returncode == 0

    def build(self, recipe: Recipe, image: str) -> None:
        """See `Engine`."""
        _checked(["docker", "build", "-f", str(recipe.dockerfile), "-t", image, "."], f"docker build of {recipe.name}")

    def archive(self, images: list[str], directory: Path) -> Path:
        """See `Engine`."""
        target = directory / "images.tar"
        _checked(["docker", "save", "-o", str(target), *images], "docker save")
        return target

    def push(self, image: str) -> None:
        """See `Engine`."""
        _checked(["docker", "push", image], f"docker push {image}")


class Buildah:
    """Buildah with its own storage, in a mount namespace of its own, so that no mount is left behind."""

    base = base.TAG

    def __init__(self, settings: Settings) -> None:
        self.cache = settings.cache / "images"
        (self.cache / "tmp").mkdir(parents=True, exist_ok=True)
        self.environment = {**os.environ, "TMPDIR": str(self.cache / "tmp")}  # also keeps uv's cache between builds

    def _run(self, *args: str, what: str) -> str:
        storage = [f"--root={self.cache / 'storage'}", "--runroot=/run/homeostat-images", "--storage-driver=overlay"]
        argv = ["unshare", "--mount", "--propagation=private", "--", "buildah", *storage, *args]
        return _checked(argv, what, self.environment)

    def prepare(self) -> str:
        """Makes the base image where it is new, and returns its name."""
        image = f"localhost/homeostat/base:{base.TAG}"
        if not self.has(image):
            tarball = base.tarball(self.cache)
            container = self._run("from", "scratch", what="buildah from").strip()
            self._run("add", "--quiet", container, str(tarball), "/", what="buildah add")
            self._run("commit", "--quiet", "--rm", "--disable-compression", container, image, what="buildah commit")
        return image

    def has(self, image: str) -> bool:
        """See `Engine`."""
        listed = json.loads(self._run("images", "--json", what="buildah images") or "[]")
        return any(image in (each.get("names") or []) for each in listed)

    def _host_files(self) -> list[str]:
        """Mounts with which pip and uv reach the package index exactly as they do on the host."""
        uv = self.cache / "uv.toml"
        index = os.environ.get("UV_DEFAULT_INDEX") or os.environ.get("PIP_INDEX_URL")
        uv.write_text("system-certs = true\n" + (f"index-url = {json.dumps(index)}\n" if index else ""))
        mounts = {_CERTIFICATES: _CERTIFICATES, "/etc/pip.conf": "/etc/pip.conf", str(uv): "/etc/uv/uv.toml"}
        return [f"--volume={host}:{inside}:ro" for host, inside in mounts.items() if Path(host).exists()]

    def build(self, recipe: Recipe, image: str) -> None:
        """See `Engine`."""
        options = ["--isolation=chroot", "--layers", f"--build-arg=BASE={self.prepare()}", *self._host_files()]
        target = [f"--file={recipe.dockerfile}", f"--tag={image}", str(REPOSITORY)]
        self._run("bud", *options, *target, what=f"buildah bud of {recipe.name}")

    def archive(self, images: list[str], directory: Path) -> Path:
        """See `Engine`. One OCI layout: layers that images share are in it once, and nothing is compressed."""
        layout = directory / "layout"
        blobs = layout / "blobs" / "sha256"
        blobs.mkdir(parents=True)
        manifests = []
        for image in images:
            # Buildah's own `oci:` transport compresses whatever it is told; `dir:` has the same blobs by their digest.
            pushed = directory / "pushed"
            target = f"dir:{pushed}"
            self._run("push", "--quiet", "--disable-compression", image, target, what=f"buildah push {image}")
            manifest = (pushed / "manifest.json").read_bytes()
            digest = hashlib.sha256(manifest).hexdigest()
            (pushed / "manifest.json").rename(pushed / digest)
            (pushed / "version").unlink()
            for blob in pushed.iterdir():
                blob.replace(blobs / blob.name)
            pushed.rmdir()
            manifests.append(
                {
                    "mediaType": json.loads(manifest)["mediaType"],
                    "digest": f"sha256:{digest}",
                    "size": len(manifest),
                    "annotations": {"io.containerd.image.name": image},
                }
            )
        (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": manifests}))
        (layout / "oci-layout").write_text(json.dumps({"imageLayoutVersion": "1.0.0"}))
        archive = directory / "images.tar"
        _checked(["tar", "-C", str(layout), "-cf", str(archive), "."], "tar")
        shutil.rmtree(layout)
        return archive

    def push(self, image: str) -> None:
        """See `Engine`."""
        self._run("push", image, f"docker://{image}", what=f"buildah push {image}")


def choose(settings: Settings) -> Engine:
    """Docker if an engine answers, else buildah, which is installed where it is missing."""
    if shutil.which("docker"):
        answered = subprocess.run(
            ["docker", "version", "--format={{.Server.Version}}"], check=False, capture_output=True
        )
        if answered.returncode == 0:
            return Docker()
    preflight.machine()
    preflight.packages(_PACKAGES)
    return Buildah(settings)
