"""Builds the one binary that holds all of Kubernetes, once per content of its sources and Go version."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

from cluster.progress import step
from cluster.settings import Settings, UserError

_SOURCES = Path(__file__).parent / "go"
_OLDEST_GO = (1, 24)


def _go() -> tuple[str, str]:
    """The go command and its version."""
    program = shutil.which("go")
    if program is None:
        raise UserError("Go is needed to build Kubernetes, and there is no `go` on PATH; install Go 1.24 or newer.")
    version = subprocess.run([program, "env", "GOVERSION"], check=True, capture_output=True, text=True).stdout.strip()
    numbers = re.match(r"go(\d+)\.(\d+)", version)
    if numbers and (int(numbers[1]), int(numbers[2])) < _OLDEST_GO:
        raise UserError(f"{program} is {version}; install Go 1.24 or newer to build Kubernetes.")
    return program, version


def _kubernetes_version() -> str:
    found = re.search(r"k8s\.io/kubernetes (v\S+)", (_SOURCES / "go.mod").read_text())
    assert found
    return found[1]


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
        with subprocess.Popen(argv, cwd=_SOURCES, stderr=subprocess.PIPE, text=True) as build:
            assert build.stderr
            lines = []
            for line in build.stderr:  # go names each package that it has compiled, not those from its cache
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
    go, version = _go()
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
