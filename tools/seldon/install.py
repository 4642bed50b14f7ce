"""Puts the operator on the local cluster and takes it away, whatever an interrupted try left."""

import json
import subprocess
import tempfile
import time
from pathlib import Path

from tools.cluster import api, certificates, runtime
from tools.cluster import up as cluster_up
from tools.cluster.progress import console, step
from tools.cluster.settings import Settings
from tools.seldon import manifests, source
from tools.waiting import until

KIND = f"seldondeployments.{manifests.GROUP}"
_TIMEOUT = 120.0  # seconds; a busy machine takes several times the usual
_REFUSED = {
    "apiVersion": f"{manifests.GROUP}/v1",
    "kind": "SeldonDeployment",
    "metadata": {"name": "empty", "namespace": manifests.NAMESPACE},
    "spec": {"predictors": []},
}


def _load(cluster: Settings, image: str, program: Path) -> None:
    if image in runtime.ctr(cluster, "images", "list", "--quiet").split():
        return
    with step("load the operator's image"), tempfile.TemporaryDirectory(dir=cluster.state) as directory:
        archive = Path(directory) / "image.tar"
        runtime.static_image(image, {"manager": program}, archive, ["/manager"])
        runtime.ctr(cluster, "images", "import", str(archive))


def _certificates(cluster: Settings) -> Path:
    """The webhook's authority and certificate, made once in the life of a cluster so that a second `up` changes none."""
    directory = cluster.directory / "seldon"
    directory.mkdir(mode=0o700, exist_ok=True)
    certificates.make_authority(directory, "ca")
    host = f"{manifests.WEBHOOK}.{manifests.NAMESPACE}.svc"
    if not (directory / "webhook.crt").exists():
        certificates.issue(directory, certificates.Identity("webhook", host, hosts=(host,)))
    return directory


def _apply(cluster: Settings, text: str) -> None:
    api.kubectl(cluster, "apply", "--server-side", "--force-conflicts", "-f", "-", stdin=text)


def _served(cluster: Settings) -> bool:
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{KIND}"
    conditions = (api.get(cluster, path) or {}).get("status", {}).get("conditions") or []
    return any(each["type"] == "Established" and each["status"] == "True" for each in conditions)


def validates(cluster: Settings) -> bool:
    """Whether the webhook answers: nothing else refuses a deployment without predictors."""
    try:
        api.kubectl(cluster, "create", "--dry-run=server", "-f", "-", stdin=json.dumps(_REFUSED))
    except subprocess.CalledProcessError as error:
        return "Graph contains no predictors" in error.stderr
    return False


def up(cluster: Settings) -> None:
    """Makes sure that the operator runs and validates; a second call changes nothing.

    Raises:
        UserError: the cluster or the build is in the way; the message says how.
        TimeoutError: the operator did not become ready.
        subprocess.CalledProcessError: the API server or containerd refused something; `stderr` says what.
    """
    cluster_up.up(cluster)
    version, built = source.build(cluster)
    began = time.monotonic()
    image = f"localhost/seldon-core-operator:{version}-{built.name}"
    _load(cluster, image, built / "manager")
    pki = _certificates(cluster)
    pem = [(pki / name).read_bytes() for name in ("ca.crt", "webhook.crt", "webhook.key")]
    with step("the kind SeldonDeployment"):
        _apply(cluster, (built / "crd.yaml").read_text())
        until(f"{KIND} was not established", lambda: _served(cluster), seconds=_TIMEOUT)
    with step("Seldon Core operator"):
        _apply(cluster, json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests.objects(image, *pem)}))
        rollout = ("rollout", "status", f"deployment/{manifests.NAME}", f"--timeout={_TIMEOUT:.0f}s")
        api.kubectl(cluster, "-n", manifests.NAMESPACE, *rollout)
    with step("its webhook"):
        until("The operator's webhook did not answer", lambda: validates(cluster), seconds=_TIMEOUT)
    console.print(f"Seldon Core operator {version} is up after {time.monotonic() - began:.0f} s")


def down(cluster: Settings) -> None:
    """Takes every SeldonDeployment, the operator, its webhook and its kind away.

    Raises:
        subprocess.CalledProcessError: the API server refused something; `stderr` says what.
    """
    if not cluster_up.running(cluster):
        console.print("There is no cluster running, so there is no Seldon Core operator.")
        return
    gone = ("--ignore-not-found", f"--timeout={_TIMEOUT:.0f}s")
    with step("remove the Seldon Core operator"):
        # The webhook first: once its server is gone it would refuse every change of what is left. Pods of deployments
        # go with their owners, even without the operator.
        api.kubectl(cluster, "delete", "validatingwebhookconfiguration", manifests.NAME, *gone)
        api.kubectl(cluster, "delete", "crd", KIND, *gone)
        api.kubectl(cluster, "delete", "namespace", manifests.NAMESPACE, *gone)
        for kind in ("clusterrolebinding", "clusterrole"):
            api.kubectl(cluster, "delete", kind, manifests.NAME, *gone)
