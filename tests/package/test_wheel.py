"""The wheel in an empty environment: with the extra of a room, every module of that room is imported.

Versions are those of the room's lock, so that what the other environments have downloaded is used again.
"""

import json
import subprocess
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
UV = REPOSITORY / ".venv" / "uv" / "bin" / "uv"

# Modules that only another program can import: Alembic runs its environment inside a migration.
NOT_IMPORTED = ("homeostat_services.observer.migrations.env",)

IMPORT_ALL = """
import importlib, json, pkgutil, sys, traceback
excluded, failed, count = tuple(json.loads(sys.argv[2])), {}, 0
def walk(name):
    global count
    if name in excluded:
        return
    try:
        module = importlib.import_module(name)
    except BaseException:
        failed[name] = traceback.format_exc(limit=-1)
        return
    count += 1
    for found in pkgutil.iter_modules(getattr(module, "__path__", ())):
        walk(f"{name}.{found.name}")
for package in json.loads(sys.argv[1]):
    walk(package)
print(json.dumps({"count": count, "failed": failed}))
"""


@dataclass(frozen=True)
class Room:
    """What an extra must bring.

    Attributes:
        extra: Name of the extra; empty: none.
        lock: Its versions are taken from requirements/<lock>.txt.
        packages: Every module of these is imported.
        excluded: But not these, with what is below them.
    """

    extra: str
    lock: str
    packages: tuple[str, ...]
    excluded: tuple[str, ...] = ()


ROOMS = (
    Room("", "platform", ("homeostat",), ("homeostat.engines",)),
    Room("engines", "platform", ("homeostat",)),
    Room("operators", "platform", ("homeostat", "homeostat_operators")),
    Room("services", "platform", ("homeostat", "homeostat_services")),
    Room("pipelines", "pipelines", ("homeostat", "homeostat_pipelines")),
)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([str(UV), "build", "--quiet", "--wheel", "--out-dir", str(folder), str(REPOSITORY)], check=True)
    return next(folder.glob("homeostat-*.whl"))


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.extra or "no extra")
def test_every_module_of_a_room_is_importable_with_its_extra_alone(wheel: Path, room: Room, tmp_path: Path) -> None:
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([str(UV), "venv", "--quiet", "--python", "python3", str(tmp_path / "venv")], check=True)
    wanted = f"homeostat[{room.extra}] @ {wheel.as_uri()}" if room.extra else f"homeostat @ {wheel.as_uri()}"
    lock = REPOSITORY / "requirements" / f"{room.lock}.txt"
    install = [str(UV), "pip", "install", "--quiet", "--python", str(python), "--constraint", str(lock), wanted]
    subprocess.run(install, check=True)
    excluded = json.dumps([*room.excluded, *NOT_IMPORTED])
    argv = [str(python), "-I", "-W", "ignore", "-c", IMPORT_ALL, json.dumps(room.packages), excluded]
    shown = subprocess.run(argv, check=True, capture_output=True, text=True, cwd=tmp_path)
    outcome = json.loads(shown.stdout.splitlines()[-1])
    assert outcome["failed"] == {}
    assert outcome["count"] > 10


def test_the_wheel_holds_every_file_that_is_needed_at_run_time(wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    needed = {
        "homeostat": ("src", ("**/py.typed",)),
        "homeostat_operators": ("operators", ("**/py.typed",)),
        "homeostat_pipelines": ("pipelines", ("**/py.typed",)),
        "homeostat_services": ("services", ("**/py.typed", "**/templates/*", "**/static/*", "**/migrations/**/*.py")),
    }
    for package, (folder, patterns) in needed.items():
        root = REPOSITORY / folder
        for pattern in patterns:
            files = {str(path.relative_to(root)) for path in (root / package).glob(pattern) if path.is_file()}
            assert files, f"{package} has no {pattern}"
            assert files <= held
    compiled = {f"homeostat_pipelines/compiled/{path.name}" for path in REPOSITORY.glob("pipelines/compiled/*.yaml")}
    assert compiled
    assert compiled <= held
