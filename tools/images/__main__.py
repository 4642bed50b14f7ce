"""`python -m images [name …]`: builds what changed, loads it into the cluster, and writes `.state/images.yaml`."""

import argparse
import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import yaml
from rich.table import Table

from cluster import runtime, settings, up
from cluster.progress import console, step
from images import engines
from images.recipes import Recipe, content_tag, recipes

_AT_ONCE = 2  # a build waits for the network as long as it computes


@dataclass
class Built:
    """One line of the closing table."""

    recipe: Recipe
    image: str
    seconds: float
    cached: bool


def _build(engine: engines.Engine, recipe: Recipe, prefix: str) -> Built:
    image = f"{prefix}/{recipe.name}:{content_tag(recipe, engine.base)}"
    began = time.monotonic()
    cached = engine.has(image)
    if not cached:
        with step(f"image {recipe.name}"):
            engine.build(recipe, image)
    return Built(recipe, image, time.monotonic() - began, cached)


def build(cluster: settings.Settings, names: list[str]) -> list[Built]:
    """Builds the images called `names` (all, if there are none) and writes down their tags for Helm.

    Raises:
        UserError: a build failed; the message ends with the builder's output.
    """
    engine = engines.choose(cluster)
    if isinstance(engine, engines.Buildah):
        engine.prepare()
    prefix = os.environ.get("REGISTRY") or "localhost/homeostat"
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        built = list(pool.map(lambda recipe: _build(engine, recipe, prefix), recipes(names)))
    if os.environ.get("REGISTRY"):
        for each in built:
            with step(f"push {each.image}"):
                engine.push(each.image)
    _write_values(cluster.state / "images.yaml", built)
    return built


def _write_values(path: Path, built: list[Built]) -> None:
    known = yaml.safe_load(path.read_text())["images"] if path.exists() else {}
    for each in built:
        repository, tag = each.image.rsplit(":", 1)
        known[each.recipe.name] = {"repository": repository, "tag": tag}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump({"images": known}))


def load(cluster: settings.Settings, images: list[str]) -> None:
    """Imports what the cluster's containerd lacks, in one go."""
    present = set(runtime.ctr(cluster, "images", "list", "--quiet").split())
    missing = [image for image in images if image not in present]
    if not missing:
        return
    with (
        step(f"load {len(missing)} images into the cluster"),
        tempfile.TemporaryDirectory(dir=cluster.state) as directory,
    ):
        archive = engines.choose(cluster).archive(missing, Path(directory))
        runtime.ctr(cluster, "images", "import", str(archive))


def _table(built: list[Built]) -> Table:
    table = Table("image", "tag", "seconds", "cached")
    for each in built:
        table.add_row(
            each.recipe.name, each.image.rsplit(":", 1)[1], f"{each.seconds:.1f}", "yes" if each.cached else ""
        )
    return table


def main() -> int:
    """Runs the command and returns its exit status."""
    parser = argparse.ArgumentParser(prog="images", description=__doc__)
    parser.add_argument("names", nargs="*", help="images to build; all if none is given")
    names = parser.parse_args().names
    try:
        cluster = settings.load()
        built = build(cluster, names)
        if not os.environ.get("REGISTRY") and up.running(cluster):
            load(cluster, [each.image for each in built])
    except settings.UserError as error:
        console.print(str(error), style="red", markup=False)
        return 1
    console.print(_table(built))
    return 0


if __name__ == "__main__":
    sys.exit(main())
