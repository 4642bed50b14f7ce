"""Two ways from a Dockerfile to an image: a docker engine, or buildah on a base of our own."""

import fcntl
import io
import json
import os
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from tools.cluster import preflight
from tools.cluster.settings import REPOSITORY, Settings, UserError
from tools.images import base
from tools.images.recipes import Recipe

_PACKAGES = {
    "buildah": ("buildah", "builds images without a docker engine"),
    "debootstrap": ("debootstrap", "makes their base image"),
}


_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"

_PACKING = ("--compression-format=zstd", "--compression-level=1")
"""The quickest to pack and to unpack: layers only travel from one directory of this machine to another."""

_REFERENCE = "org.opencontainers.image.ref.name"
_KEPT = 3  # builds of an image: the newest, and those of other branches


class Engine(Protocol):
    """What both can do; image names are whole references, `repository:tag`."""

    base: str
    """What decides the content of the base image, for the tags."""

    def size(self, image: str) -> str:
        """The image's size for people; empty if it was not built here yet."""
        ...

    def build(self, recipe: Recipe, image: str) -> None:
        """Builds it, with the repository as context."""
        ...

    def pack(self, image: str) -> None:
        """Does whatever of `archive` can be done for one image as soon as it is built."""
        ...

    def forget_old(self, repositories: set[str]) -> None:
        """Removes builds of these that nobody is likely to want again."""
        ...

    def archive(self, images: list[str], present: set[str], target: Path) -> None:
        """Writes one tar file that containerd can import: all `images`, without the blobs `present` there already."""
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

    def size(self, image: str) -> str:
        """See `Engine`."""
        return _checked(["docker", "image", "ls", "--format={{.Size}}", image], "docker image ls").strip()

    def build(self, recipe: Recipe, image: str) -> None:
        """See `Engine`."""
        _checked(["docker", "build", "-f", str(recipe.dockerfile), "-t", image, "."], f"docker build of {recipe.name}")

    def pack(self, image: str) -> None:
        """See `Engine`. Docker saves all images at once."""

    def forget_old(self, repositories: set[str]) -> None:
        """See `Engine`. A docker engine is its owner's, and so is what it keeps."""

    def archive(self, images: list[str], present: set[str], target: Path) -> None:
        """See `Engine`. Docker saves images whole."""
        del present
        _checked(["docker", "save", "-o", str(target), *images], "docker save")

    def push(self, image: str) -> None:
        """See `Engine`."""
        _checked(["docker", "push", image], f"docker push {image}")


class Buildah:
    """Buildah with its own storage, in a mount namespace of its own, so that no mount is left behind."""

    base = base.TAG

    def __init__(self, settings: Settings) -> None:
        self.cache = settings.cache / "images"
        (self.cache / "tmp").mkdir(parents=True, exist_ok=True)
        self.one_base = threading.Lock()
        self.environment = {**os.environ, "TMPDIR": str(self.cache / "tmp")}  # also keeps uv's cache between builds

    def _run(self, *args: str, what: str) -> str:
        storage = [f"--root={self.cache / 'storage'}", "--runroot=/run/homeostat-images", "--storage-driver=overlay"]
        argv = ["unshare", "--mount", "--propagation=private", "--", "buildah", *storage, *args]
        return _checked(argv, what, self.environment)

    def _base(self) -> str:
        """Makes the base image where it is new, and returns its name."""
        image = f"localhost/homeostat/base:{base.TAG}"
        with self.one_base:
            if not self.size(image):
                self._make_base(image)
        return image

    def _make_base(self, image: str) -> None:
        tarball = base.tarball(self.cache)
        container = self._run("from", "scratch", what="buildah from").strip()
        self._run("add", "--quiet", container, str(tarball), "/", what="buildah add")
        self._run("commit", "--quiet", "--rm", "--disable-compression", container, image, what="buildah commit")

    def size(self, image: str) -> str:
        """See `Engine`."""
        return next((str(each["size"]) for name, each in self._listed() if name == image), "")

    def _host_files(self) -> list[str]:
        """Mounts with which pip and uv reach the package index exactly as they do on the host."""
        uv = self.cache / "uv.toml"
        index = os.environ.get("UV_DEFAULT_INDEX") or os.environ.get("PIP_INDEX_URL")
        uv.write_text("system-certs = true\n" + (f"index-url = {json.dumps(index)}\n" if index else ""))
        mounts = {_CERTIFICATES: _CERTIFICATES, "/etc/pip.conf": "/etc/pip.conf", str(uv): "/etc/uv/uv.toml"}
        return [f"--volume={host}:{inside}:ro" for host, inside in mounts.items() if Path(host).exists()]

    def build(self, recipe: Recipe, image: str) -> None:
        """See `Engine`."""
        options = ["--isolation=chroot", "--layers", f"--build-arg=BASE={self._base()}", *self._host_files()]
        target = [f"--file={recipe.dockerfile}", f"--tag={image}", str(REPOSITORY)]
        with self._storage(fcntl.LOCK_SH):
            self._run("bud", *options, *target, what=f"buildah bud of {recipe.name}")

    @contextmanager
    def _storage(self, mode: int) -> Iterator[None]:
        """Shared by builds, of other checkouts too; alone when images go, whose layers a build may be looking at."""
        with (self.cache / "storage.lock").open("w") as lock:
            fcntl.flock(lock, mode)
            yield

    def _listed(self) -> list[tuple[str, dict[str, Any]]]:
        """Every named image with its name, oldest first."""
        images = json.loads(self._run("images", "--json", what="buildah images") or "[]")
        named = [(name, each) for each in images for name in each.get("names") or []]
        return sorted(named, key=lambda pair: str(pair[1]["createdatraw"]))

    def forget_old(self, repositories: set[str]) -> None:
        """See `Engine`. While others build, nothing goes: the next build comes by here, too."""
        with suppress(BlockingIOError), self._storage(fcntl.LOCK_EX | fcntl.LOCK_NB):
            names = [name for name, _ in self._listed()]
            for repository in repositories:
                for name in [name for name in names if name.startswith(f"{repository}:")][:-_KEPT]:
                    self._run("rmi", name, what=f"buildah rmi {name}")

    @contextmanager
    def _layout(self) -> Iterator[Path]:
        """The OCI layout that keeps every image packed, for one user at a time."""
        with (self.cache / "layout.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield self.cache / "layout"

    def _pack(self, image: str, layout: Path) -> None:
        """Copies an image into the layout, where images that share a layer, such as the base, share its file."""
        self._run("push", "--quiet", *_PACKING, image, f"oci:{layout}:{image}", what=f"buildah push {image}")

    def pack(self, image: str) -> None:
        """See `Engine`."""
        with self._layout() as layout:
            self._pack(image, layout)

    def archive(self, images: list[str], present: set[str], target: Path) -> None:
        """See `Engine`. The layout is kept, so that an image is packed once; most are since they were built."""
        with self._layout() as layout:
            packed = _packed(layout)
            for image in images:
                if image not in packed:
                    self._pack(image, layout)
            forget_others(layout, {name for name, _ in self._listed()})
            index = json.loads((layout / "index.json").read_text())
            chosen = [each for each in index["manifests"] if each["annotations"][_REFERENCE] in images]
            needed = _blobs_of(layout, chosen)
            for each in chosen:
                each["annotations"] = {"io.containerd.image.name": each["annotations"][_REFERENCE]}
            with tarfile.open(target, "w") as archive:
                archive.add(layout / "oci-layout", "oci-layout")
                for digest in sorted(needed - present):
                    archive.add(_blob(layout, digest), f"blobs/sha256/{digest.removeprefix('sha256:')}")
                document = json.dumps({"schemaVersion": 2, "manifests": chosen}).encode()
                entry = tarfile.TarInfo("index.json")
                entry.size = len(document)
                archive.addfile(entry, io.BytesIO(document))

    def push(self, image: str) -> None:
        """See `Engine`."""
        self._run("push", image, f"docker://{image}", what=f"buildah push {image}")


def _packed(layout: Path) -> set[str]:
    """Names of the images in an OCI layout."""
    index = layout / "index.json"
    manifests = json.loads(index.read_text())["manifests"] if index.exists() else []
    return {each["annotations"][_REFERENCE] for each in manifests}


def _blob(layout: Path, digest: str) -> Path:
    return layout / "blobs" / "sha256" / digest.removeprefix("sha256:")


def _blobs_of(layout: Path, manifests: list[dict[str, Any]]) -> set[str]:
    """Digests of everything that these images consist of."""
    found: set[str] = set()
    for each in manifests:
        manifest = json.loads(_blob(layout, each["digest"]).read_text())
        found |= {each["digest"], manifest["config"]["digest"], *(layer["digest"] for layer in manifest["layers"])}
    return found


def forget_others(layout: Path, kept: set[str]) -> None:
    """Removes from an OCI layout every image that is not `kept`, and the blobs that only such an image had."""
    index = json.loads((layout / "index.json").read_text())
    index["manifests"] = [each for each in index["manifests"] if each["annotations"][_REFERENCE] in kept]
    needed = _blobs_of(layout, index["manifests"])
    (layout / "index.json").write_text(json.dumps(index))
    for path in (layout / "blobs" / "sha256").iterdir():
        if f"sha256:{path.name}" not in needed:
            path.unlink()


def choose(settings: Settings) -> Engine:
    """Docker if an engine answers, else buildah, which is installed where it is missing."""
    if shutil.which("docker"):
        answered = subprocess.run(
            ["docker", "version", "--format={{.Server.Version}}"], check=False, capture_output=True
        )
        if answered.returncode == 0:
            return Docker()
    preflight.machine("Building images with buildah", "To build them otherwise, start a docker engine.")
    preflight.packages(_PACKAGES)
    return Buildah(settings)
