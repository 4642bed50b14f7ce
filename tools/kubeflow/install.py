"""Puts the backend on the local cluster and takes it away."""

import base64
import hashlib
import inspect
import json
import secrets
import string
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from tools.cluster import api, runtime
from tools.cluster import up as cluster_up
from tools.cluster.progress import console, step
from tools.cluster.settings import Settings, UserError
from tools.images.build import build as build_images
from tools.images.build import load
from tools.kubeflow import binaries
from tools.waiting import until

NAMESPACE = "kubeflow"
IMAGES = ("seaweedfs", "mariadb", "mlmd", "pipelines")
PATIENCE = 180.0


def _programs(cluster: Settings, built: binaries.Build) -> str:
    """The image of all programs, on the cluster."""
    packed = hashlib.sha256(built.key.encode() + inspect.getsource(runtime).encode()).hexdigest()[:12]
    name = f"localhost/homeostat/kubeflow:{packed}"
    if name not in runtime.ctr(cluster, "images", "list", "--quiet").split():
        with step("load Kubeflow Pipelines into the cluster"), tempfile.TemporaryDirectory(dir=cluster.state) as folder:
            archive = Path(folder) / "kubeflow.tar"
            held = {f"bin/{program.name}": built.directory / program.name for program in binaries.PROGRAMS}
            runtime.static_image(name, held, archive, ["/bin/driver"])
            runtime.ctr(cluster, "images", "import", str(archive))
    return name


def _manifest(cluster: Settings, images: dict[str, str]) -> str:
    """The backend's objects; credentials stay what they were."""
    found = api.get(cluster, f"/api/v1/namespaces/{NAMESPACE}/secrets/mlpipeline-minio-artifact")
    if found is not None:
        text = api.kubectl(cluster, "-n", NAMESPACE, "get", "secret", "-o", "json")
        kept = {item["metadata"]["name"]: item["data"] for item in json.loads(text)["items"]}
        chosen = {
            "S3_ACCESS": _decoded(kept["mlpipeline-minio-artifact"]["accesskey"]),
            "S3_SECRET": _decoded(kept["mlpipeline-minio-artifact"]["secretkey"]),
            "DATABASE_PASSWORD": _decoded(kept["mysql-secret"]["password"]),
        }
    else:
        chosen = {name: secrets.token_hex(12) for name in ("S3_ACCESS", "S3_SECRET", "DATABASE_PASSWORD")}
    template = string.Template((Path(__file__).parent / "backend.yaml").read_text())
    return template.substitute(chosen, **images)


def _decoded(text: str) -> str:
    return base64.b64decode(text).decode()


def up(cluster: Settings) -> None:
    """Makes sure that the backend runs; a second call changes nothing.

    Raises:
        UserError: a build failed, or a part did not become ready.
    """
    cluster_up.up(cluster)
    built = binaries.build(cluster)
    images = build_images(cluster, list(IMAGES))
    began = time.monotonic()
    load(cluster, [each.image for each in images])
    names = {each.recipe.name.upper(): each.image for each in images} | {"KUBEFLOW": _programs(cluster, built)}
    with step("Kubeflow Pipelines") as shown:
        for path in built.definitions:
            api.kubectl(cluster, "apply", "--server-side", "--force-conflicts", "-f", str(path))
        manifest = _manifest(cluster, names)
        api.kubectl(cluster, "apply", "--server-side", "--force-conflicts", "-f", "-", stdin=manifest)

        def read() -> list[str]:
            waiting = _waiting(cluster)
            shown.detail = "waiting for " + ", ".join(waiting)
            return waiting

        until(
            "readiness of every part of Kubeflow Pipelines", read, lambda waiting: not waiting, PATIENCE,
            every=0.5, diagnose=lambda: _diagnosis(cluster), error=UserError,
        )  # fmt: skip
        shown.detail = "every part is ready"
    console.print(
        f"Kubeflow Pipelines is up after {time.monotonic() - began:.0f} s: "
        f"service ml-pipeline.{NAMESPACE}:8888; `make kubeflow-down` removes it."
    )


def _waiting(cluster: Settings) -> list[str]:
    found = api.get(cluster, f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments") or {"items": []}
    return [one["metadata"]["name"] for one in found["items"] if not _is_ready(one)]


def _is_ready(deployment: dict[str, Any]) -> bool:
    status = deployment.get("status", {})
    current = status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
    return bool(current and status.get("replicas") == status.get("updatedReplicas") == status.get("readyReplicas") == 1)


def _diagnosis(cluster: Settings) -> str:
    return "\n".join(
        api.kubectl(cluster, "-n", NAMESPACE, *arguments.split())
        for arguments in ("get pods", "get events --sort-by=.lastTimestamp")
    )[-4000:]


def down(cluster: Settings) -> None:
    """Takes the backend, its runs and its kinds away."""
    if not cluster_up.running(cluster):
        console.print("There is no cluster running, so there is no Kubeflow Pipelines.")
        return
    with step("remove Kubeflow Pipelines"):
        api.kubectl(cluster, "delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=180s")
        for path in binaries.build(cluster).definitions:
            for document in yaml.safe_load_all(path.read_text()):
                kind = document["metadata"]["name"]
                api.kubectl(cluster, "delete", "customresourcedefinition", kind, "--ignore-not-found", "--timeout=60s")
