"""Builds what changed, pushes it or loads it into the cluster, and writes `.state/images.yaml`."""

import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import yaml

from tools.cluster import runtime, up
from tools.cluster.progress import step
from tools.cluster.settings import Settings, UserError
from tools.images import engines
from tools.images.recipes import BACKEND_IMAGES, Recipe, content_tag, recipes

_AT_ONCE = 2  # a build waits for the network as long as it computes


@dataclass
class Built:
    """One line of the closing table."""

    recipe: Recipe
    image: str
    size: str
    seconds: float
    cached: bool


def _build(engine: engines.Engine, recipe: Recipe, prefix: str, *, pack: bool) -> Built:
    image = f"{prefix}/{recipe.name}:{content_tag(recipe, engine.base)}"
    began = time.monotonic()
    cached = bool(engine.size(image))
    if not cached:
        with step(f"image {recipe.name}"):
            engine.build(recipe, image)
            if pack:  # now, while other images wait for downloads and Kubernetes is compiled
                engine.pack(image)
    return Built(recipe, image, engine.size(image), time.monotonic() - began, cached)


def build(cluster: Settings, names: list[str]) -> list[Built]:
    """Builds the images called `names` (all, if there are none) and writes down their tags for Helm.

    Raises:
        UserError: a build failed; the message ends with the builder's output.
    """
    registry = os.environ.get("REGISTRY")
    if os.environ.get("CONTEXT") and not registry:
        raise UserError(
            "CONTEXT names your own cluster: set REGISTRY=<prefix> to the registry that it pulls images from."
        )
    engine = engines.choose(cluster)
    prefix = registry or "localhost/homeostat"
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        built = list(pool.map(lambda recipe: _build(engine, recipe, prefix, pack=not registry), recipes(names)))
    engine.forget_old({each.image.rsplit(":", 1)[0] for each in built if not each.cached})
    if registry:
        for each in built:
            with step(f"push {each.image}"):
                engine.push(each.image)
    _write_values(cluster.state / "images.yaml", built)
    return built


def _write_values(path: Path, built: list[Built]) -> None:
    values = yaml.safe_load(path.read_text())["images"] if path.exists() else {}
    for each in built:
        repository, tag = each.image.rsplit(":", 1)
        values[each.recipe.name] = {"repository": repository, "tag": tag}
    values = {name: image for name, image in values.items() if name not in BACKEND_IMAGES}  # no part of the chart
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump({"images": values}))


def load(cluster: Settings, images: list[str]) -> None:
    """Imports what the cluster's containerd lacks, in one go."""
    present = set(runtime.ctr(cluster, "images", "list", "--quiet").split())
    missing = [image for image in images if image not in present]
    if not missing:
        return
    with (
        step(f"load {len(missing)} images into the cluster"),
        tempfile.TemporaryDirectory(dir=cluster.state) as directory,
    ):
        archive = Path(directory) / "images.tar"
        blobs = set(runtime.ctr(cluster, "content", "list", "--quiet").split())
        engines.choose(cluster).archive(missing, blobs, archive)
        runtime.ctr(cluster, "images", "import", str(archive))


def provide(cluster: Settings) -> list[Built]:
    """All images where the release takes them from: on the local cluster, which is started, or in CONTEXT's registry.

    Raises:
        UserError: a build failed, or the machine can run no cluster.
    """
    return build(cluster, []) if os.environ.get("CONTEXT") else ready(cluster)


def ready(cluster: Settings) -> list[Built]:
    """A running cluster with all images on it; Kubernetes is compiled while images are built.

    Raises:
        UserError: either failed, or the machine can run no cluster.
    """
    if not up.running(cluster):
        up.check(cluster)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(up.up, cluster)
        built = build(cluster, [])
        running.result()
    load(cluster, [each.image for each in built])
    return built
