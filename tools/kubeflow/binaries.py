"""The programs of Kubeflow Pipelines and Argo Workflows, compiled from their Go modules as static binaries."""

import hashlib
import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tools.cluster import golang, preflight
from tools.cluster.progress import step
from tools.cluster.settings import Settings, UserError

SOURCES = Path(__file__).parent / "go"
PIPELINES = "github.com/kubeflow/pipelines"
ARGO = "github.com/argoproj/argo-workflows/v3"
PACKAGES = {
    "g++": ("g++", "links the API server of Kubeflow Pipelines, which holds SQLite"),
}


@dataclass(frozen=True)
class Program:
    """A program and its package.

    Attributes:
        name: Its name in the image.
        package: Its import path.
        with_c: It holds C code.
    """

    name: str
    package: str
    with_c: bool = False


PROGRAMS = (
    Program("apiserver", f"{PIPELINES}/backend/src/apiserver", with_c=True),
    Program("persistence", f"{PIPELINES}/backend/src/agent/persistence"),
    Program("driver", f"{PIPELINES}/backend/src/v2/cmd/driver"),
    Program("launcher-v2", f"{PIPELINES}/backend/src/v2/cmd/launcher-v2"),
    Program("workflow-controller", f"{ARGO}/cmd/workflow-controller"),
    Program("argoexec", f"{ARGO}/cmd/argoexec"),
)


@dataclass(frozen=True)
class Build:
    """Where the build is.

    Attributes:
        directory: Folder of the binaries.
        key: What decides their content.
        definitions: The definitions of the custom kinds, from the module itself.
    """

    directory: Path
    key: str

    @property
    def definitions(self) -> list[Path]:
        """Custom kinds of Argo and of Kubeflow Pipelines."""
        return sorted((self.directory / "crds").glob("*.yaml"))


def build(settings: Settings) -> Build:
    """The binaries, compiled where this content is new.

    Raises:
        UserError: there is no suitable Go, no way to its modules, or the build failed.
    """
    preflight.packages(PACKAGES)
    go = golang.toolchain(settings.cache)
    own = [Path(__file__).read_bytes(), (SOURCES / "go.mod").read_bytes(), (SOURCES / "go.sum").read_bytes()]
    key = hashlib.sha256(go.version.encode() + b"".join(own)).hexdigest()[:12]
    directory = settings.cache / "kubeflow" / key
    return Build(golang.once(directory, lambda: _compile(go.program, directory)), key)


def _compile(go: str, directory: Path) -> None:
    for name in ("go.mod", "go.sum"):
        shutil.copyfile(SOURCES / name, directory / name)
    with step("fetch the Go modules of Kubeflow Pipelines"):
        pipelines, argo = (_fetched(go, directory, module) for module in (PIPELINES, ARGO))
    _mend_argo(argo, directory)
    for program in PROGRAMS:
        with step(f"compile {program.name} of Kubeflow Pipelines"):
            _run([go, "build", *_options(program), "-o", f"{directory}/{program.name}", program.package], directory)
    kept = directory / "crds"
    kept.mkdir(exist_ok=True)
    kustomize = pipelines / "manifests" / "kustomize"
    argo_kinds = kustomize / "third-party/argo/upstream/manifests/base/crds/minimal"
    scheduled = kustomize / "base/pipeline/cluster-scoped/scheduled-workflow-crd.yaml"
    for path in (*argo_kinds.glob("argoproj.io_*.yaml"), scheduled):
        shutil.copyfile(path, kept / path.name)


def _options(program: Program) -> list[str]:
    common = ["-mod=mod", "-buildvcs=false"]
    if not program.with_c:
        return [*common, "-ldflags=-s -w"]
    static = '-ldflags=-s -w -linkmode external -extldflags "-static"'
    return [*common, "-tags=osusergo netgo sqlite_omit_load_extension", static]


def _run(argv: list[str], directory: Path) -> str:
    with_c = "external" in " ".join(argv)
    environment = {**os.environ, "CGO_ENABLED": "1" if with_c else "0"}
    done = subprocess.run(argv, cwd=directory, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"{' '.join(argv[:2])} of Kubeflow Pipelines failed:\n{done.stderr[-2000:]}")
    return done.stdout


def _fetched(go: str, directory: Path, module: str) -> Path:
    return Path(json.loads(_run([go, "mod", "download", "-json", module], directory))["Dir"])


def _mend_argo(source: Path, directory: Path) -> None:
    """The module's archive lacks a file that is a symbolic link in its repository: a copy of the module gets it."""
    copy = directory / "argo"
    shutil.rmtree(copy, ignore_errors=True)
    unneeded = shutil.ignore_patterns("ui", "docs", "test", "examples", "community")
    shutil.copytree(source, copy, ignore=unneeded, copy_function=shutil.copyfile)
    for path in (copy, *(p for p in copy.rglob("*") if p.is_dir())):
        path.chmod(0o755)
    signals = copy / "workflow" / "executor" / "os-specific"
    shutil.copyfile(signals / "signal_darwin.go", signals / "signal_linux.go")
    with (directory / "go.mod").open("a") as module:
        module.write(f"\nreplace {ARGO} => ./argo\n")
