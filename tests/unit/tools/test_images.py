import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tools.cluster.settings import REPOSITORY, Settings, UserError
from tools.images import engines, recipes
from tools.images.build import build
from tools.images.recipes import Recipe, content_tag


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "main.py").write_text("print(1)\n")
    (tmp_path / "lock.txt").write_text("one==1\n")
    (tmp_path / "unrelated.txt").write_text("something\n")
    (tmp_path / ".gitignore").write_text("__pycache__/\n")
    (tmp_path / "Dockerfile").write_text(
        "ARG BASE=x\nFROM ${BASE} AS build\nCOPY lock.txt \\\n  /tmp/\nFROM ${BASE}\n"
        "COPY --from=build /opt/venv /opt/venv\nCOPY app app\n"
    )
    return tmp_path


def tag(repository: Path, base: str = "base") -> str:
    return content_tag(Recipe("one", repository / "Dockerfile"), base, repository)


@pytest.mark.parametrize("changed", ["Dockerfile", "app/main.py", "lock.txt"])
def test_the_tag_follows_what_goes_into_the_image(repository: Path, changed: str) -> None:
    before = tag(repository)

    with (repository / changed).open("a") as file:
        file.write("# more\n")

    assert tag(repository) != before


def test_the_tag_follows_the_base_and_a_new_file(repository: Path) -> None:
    before = tag(repository)
    assert tag(repository, "newer base") != before

    (repository / "app" / "other.py").touch()

    assert tag(repository) != before


def test_the_tag_heeds_neither_other_files_nor_ignored_ones(repository: Path) -> None:
    before = tag(repository)

    (repository / "unrelated.txt").write_text("changed\n")
    (repository / "app" / "__pycache__").mkdir()
    (repository / "app" / "__pycache__" / "main.pyc").write_bytes(b"compiled")

    assert tag(repository) == before


def test_a_copied_path_that_is_not_there_is_named(repository: Path) -> None:
    shutil.rmtree(repository / "app")

    with pytest.raises(UserError, match="Dockerfile copies app, which does not exist"):
        tag(repository)


def test_an_unknown_image_is_refused_with_the_names_to_choose_from() -> None:
    with pytest.raises(UserError, match=r"no image 'prometeus'; choose among .*prometheus"):
        recipes.recipes(["prometeus"])


def test_every_image_of_the_chart_has_a_dockerfile() -> None:
    values = yaml.safe_load((REPOSITORY / "charts" / "homeostat" / "values.yaml").read_text())

    assert {recipe.name for recipe in recipes.recipes([])} == set(values["images"])


def test_the_registry_of_the_chart_is_the_version_that_is_tried_here() -> None:
    """The server is started with options that versions before 3.5 do not know."""
    values = yaml.safe_load((REPOSITORY / "charts" / "homeostat" / "values.yaml").read_text())
    tried = (REPOSITORY / "tools" / "images" / "mlflow" / "server.in").read_text().split()

    assert f"mlflow=={values['images']['mlflow']['tag'].removeprefix('v')}" in tried


def _stored(layout: Path, content: bytes) -> str:
    name = hashlib.sha256(content).hexdigest()
    (layout / "blobs" / "sha256" / name).write_bytes(content)
    return f"sha256:{name}"


def _add(layout: Path, image: str, *layers: bytes) -> None:
    manifest = {
        "config": {"digest": _stored(layout, image.encode())},
        "layers": [{"digest": _stored(layout, layer)} for layer in layers],
    }
    entry = {
        "digest": _stored(layout, json.dumps(manifest).encode()),
        "annotations": {"org.opencontainers.image.ref.name": image},
    }
    index = layout / "index.json"
    known = json.loads(index.read_text())["manifests"] if index.exists() else []
    index.write_text(json.dumps({"schemaVersion": 2, "manifests": [*known, entry]}))


def test_what_only_forgotten_images_had_leaves_the_cache_with_them(tmp_path: Path) -> None:
    (tmp_path / "blobs" / "sha256").mkdir(parents=True)
    _add(tmp_path, "one:old", b"base", b"old")
    _add(tmp_path, "one:new", b"base", b"new")

    engines.forget_others(tmp_path, {"one:new", "other:built"})

    index = json.loads((tmp_path / "index.json").read_text())
    assert [each["annotations"].popitem()[1] for each in index["manifests"]] == ["one:new"]
    left = {path.read_bytes() for path in (tmp_path / "blobs" / "sha256").iterdir()}
    assert left >= {b"base", b"new", b"one:new"}
    assert len(left) == 4, "config, two layers, and the manifest"


@pytest.mark.parametrize(
    ("system", "user", "words"),
    [("Darwin", 0, "needs Linux, this is Darwin"), ("Linux", 1000, "needs root: run `sudo -E make …`")],
)
def test_who_can_build_no_image_is_advised_to_start_docker(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, system: str, user: int, words: str
) -> None:
    (tmp_path / "docker").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(os, "geteuid", lambda: user)

    with pytest.raises(UserError, match=words) as refused:
        engines.choose(Settings(tmp_path / "state", 0, tmp_path / "cache"))

    assert "docker engine" in str(refused.value)
    assert "CONTEXT" not in str(refused.value), "it may have been given"


class Unasked(engines.Buildah):
    """Buildah that nobody may call."""

    def _run(self, *args: str, what: str) -> str:
        raise AssertionError(f"{what}: {args}")


def test_no_image_goes_while_another_checkout_builds(tmp_path: Path) -> None:
    building = engines.Buildah(Settings(state=tmp_path / "other", slot=1, cache=tmp_path / "cache"))
    tidying = Unasked(Settings(state=tmp_path / "own", slot=0, cache=tmp_path / "cache"))

    with building._storage(fcntl.LOCK_SH):
        tidying.forget_old({"localhost/homeostat/services"})

    with pytest.raises(AssertionError, match="buildah images"):
        tidying.forget_old({"localhost/homeostat/services"})


class _Engine:
    """Notes what is asked of it; `old` is the one image that it has already."""

    base = "base"

    def __init__(self, old: str = "") -> None:
        self.old = old
        self.calls: list[str] = []

    def size(self, image: str) -> str:
        return "1 MB" if image.startswith(self.old or "none of them") else ""

    def build(self, recipe: Recipe, image: str) -> None:
        del image
        self.calls.append(f"build {recipe.name}")

    def pack(self, image: str) -> None:
        self.calls.append(f"pack {image.rsplit(':', 1)[0].rsplit('/', 1)[1]}")

    def push(self, image: str) -> None:
        self.calls.append(f"push {image.rsplit(':', 1)[0]}")

    def forget_old(self, repositories: set[str]) -> None:
        del repositories

    def archive(self, images: list[str], present: set[str], target: Path) -> None:
        raise AssertionError(f"nothing is loaded here: {images}, {present}, {target}")


@pytest.mark.parametrize(
    ("registry", "old", "calls"),
    [
        ("", "", ["build valkey", "pack valkey"]),
        ("", "localhost/homeostat/valkey", []),
        ("registry.example/team", "", ["build valkey", "push registry.example/team/valkey"]),
    ],
    ids=["packed at once", "nothing when it is there", "pushed instead"],
)
def test_a_new_image_goes_on_its_way_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, registry: str, old: str, calls: list[str]
) -> None:
    engine = _Engine(old)
    monkeypatch.setattr(engines, "choose", lambda _: engine)
    monkeypatch.setenv("REGISTRY", registry)

    build(Settings(tmp_path, 0, tmp_path / "cache"), ["valkey"])

    assert engine.calls == calls
    assert list(yaml.safe_load((tmp_path / "images.yaml").read_text())["images"]) == ["valkey"]
