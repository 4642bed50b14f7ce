"""The local Kubernetes itself, on an own state directory and slot, so that another cluster may run beside it."""

import contextlib
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tools.cluster.settings import REPOSITORY, Settings
from tools.waiting import until

SLOT = 7
PORT_SLOT = 8
SYSCTLS = (
    "net/ipv4/ip_forward",
    "net/ipv4/conf/all/route_localnet",
    "net/ipv4/conf/all/rp_filter",
    "net/ipv4/conf/default/rp_filter",
    "net/netfilter/nf_conntrack_max",
    "vm/overcommit_memory",
    "kernel/panic",
    "kernel/panic_on_oops",
)


@dataclass(frozen=True)
class Cluster:
    """The commands that people type, on one cluster's own state."""

    settings: Settings
    home: Path

    def run(self, command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {
            **{name: value for name, value in os.environ.items() if name not in ("CONTEXT", "KUBECONFIG", "REGISTRY")},
            "PYTHONPATH": str(REPOSITORY),
            "HOMEOSTAT_STATE": str(self.settings.state),
            "HOMEOSTAT_SLOT": str(self.settings.slot),
            # Go's caches stay where they are; what kubectl would write about clusters would go to an empty home.
            "XDG_CACHE_HOME": str(self.settings.cache.parent),
            "GOPATH": _go("GOPATH"),
            "GOCACHE": _go("GOCACHE"),
            "HOME": str(self.home),
            **variables,
        }
        argv = [sys.executable, "-m", "tools.cluster", command]
        return subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)

    def up(self) -> str:
        done = self.run("up")
        assert done.returncode == 0, done.stderr
        return done.stderr

    def kubectl(self, *args: str, stdin: str | None = None) -> str:
        argv = [str(self.settings.kubectl), f"--kubeconfig={self.settings.kubeconfig}", *args]
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(args)}: {done.stderr}"
        return done.stdout

    def pid(self, component: str) -> int:
        status = json.loads((self.settings.directory / "status.json").read_text())
        return int(status["supervisor"] if component == "supervisor" else status["components"][component]["pid"])

    def ask(self, url: str, *, as_admin: bool) -> tuple[int, bytes]:
        """Status and body of a GET; the server is known by its address alone."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if as_admin:
            pki = self.settings.directory / "pki"
            context.load_cert_chain(pki / "admin.crt", pki / "admin.key")
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        try:
            with opener.open(url, timeout=10) as response:
                return response.status, response.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()


def _go(variable: str) -> str:
    return subprocess.run(["go", "env", variable], capture_output=True, text=True, check=False).stdout.strip()


def _output(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout


def host() -> dict[str, object]:
    """What a cluster could leave behind on the host."""
    return {
        "mounts": sorted(line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()),
        "interfaces": sorted(path.name for path in Path("/sys/class/net").iterdir()),
        "routes": _output("ip", "route"),
        "rules": [line.split(" [")[0] for line in _output("iptables-save").splitlines() if not line.startswith("#")],
        "sysctls": {
            name: (Path("/proc/sys") / name).read_text() for name in SYSCTLS if Path("/proc/sys", name).exists()
        },
        "namespaces": _output("ip", "netns", "list"),
        "groups": sorted(map(str, Path("/sys/fs/cgroup").glob("**/homeostat-*"))),
        "runtime": sorted(path.name for path in Path("/run").iterdir() if path.name.startswith("homeostat-")),
        "directories": [path for path in ("/var/lib/kubelet", "/var/lib/cni", "/var/log/pods") if Path(path).exists()],
    }


def processes(mentioning: str) -> list[str]:
    """Command lines of living processes that mention a path, but for this test's own."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if mentioning in line and int(path.parent.name) != os.getpid():
                found.append(line)
    return found


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    home = tmp_path_factory.mktemp("home")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "homeostat"
    cluster = Cluster(Settings(tmp_path_factory.mktemp("state"), SLOT, cache), home)
    yield cluster
    assert cluster.run("down").returncode == 0


@pytest.fixture
def local(machine: Cluster) -> Cluster:
    machine.up()
    return machine


def test_twice_up_is_once_up(local: Cluster) -> None:
    pids = [local.pid(name) for name in ("supervisor", "kube-apiserver", "kubelet")]

    assert "up already" in local.up()

    assert [local.pid(name) for name in ("supervisor", "kube-apiserver", "kubelet")] == pids


def test_a_component_that_was_killed_comes_back_and_the_status_reports_it(local: Cluster) -> None:
    before = local.pid("kube-scheduler")

    os.kill(before, signal.SIGKILL)

    until("a new scheduler", lambda: local.pid("kube-scheduler") not in (0, before))
    assert "restarts, last exit -9" in local.run("status").stdout


def test_a_pod_runs_on_a_volume_that_is_made_for_its_claim_and_deleted_with_it(local: Cluster) -> None:
    claim = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}
---
apiVersion: v1
kind: Pod
metadata: {name: writer}
spec:
  terminationGracePeriodSeconds: 0
  securityContext: {runAsNonRoot: true, runAsUser: 65532}
  containers:
  - {name: pause, image: "localhost/homeostat/pause:1", volumeMounts: [{name: data, mountPath: /data}]}
  volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]
"""
    local.kubectl("apply", "-f", "-", stdin=claim)
    local.kubectl("wait", "--for=condition=Ready", "pod/writer", "--timeout=120s")
    volume = local.kubectl("get", "pvc", "data", "-o", "jsonpath={.spec.volumeName}")
    directory = local.settings.directory / "volumes" / volume
    assert directory.stat().st_mode & 0o777 == 0o777

    local.kubectl("delete", "pod/writer", "pvc/data", "--timeout=120s")

    until("the volume to go", lambda: volume not in local.kubectl("get", "pv", "-o", "name"))
    assert not directory.exists()


def test_a_node_port_answers_on_the_clusters_loopback_address(local: Cluster) -> None:
    # The API server is the one server that is there without an image of ours.
    service = f"""
apiVersion: v1
kind: Service
metadata: {{name: reached}}
spec: {{type: NodePort, ports: [{{port: 443, targetPort: 6443, nodePort: 30080}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: reached, labels: {{kubernetes.io/service-name: reached}}}}
addressType: IPv4
ports: [{{port: 6443}}]
endpoints: [{{addresses: ["{local.settings.node}"]}}]
"""
    local.kubectl("apply", "-f", "-", stdin=service)

    def answered() -> bool:
        with contextlib.suppress(OSError):
            return local.ask(f"https://{local.settings.address}:30080/readyz", as_admin=True) == (200, b"ok")
        return False

    until("an answer through the node port", answered)


@pytest.mark.parametrize("path", ["/readyz", "/api/v1/namespaces/kube-system/secrets"])
def test_nobody_is_answered_without_credentials(local: Cluster, path: str) -> None:
    assert local.ask(local.settings.server + path, as_admin=False)[0] == 401


def test_after_a_crash_it_comes_up_again_with_its_objects(local: Cluster) -> None:
    local.kubectl("create", "configmap", "remembered")
    for component in ("supervisor", "etcd", "kubelet"):
        os.kill(local.pid(component), signal.SIGKILL)

    local.up()

    assert "remembered" in local.kubectl("get", "configmaps", "-o", "name")


def test_a_port_in_use_is_named_with_its_user_and_the_way_out_before_anything_is_compiled(
    tmp_path: Path, machine: Cluster
) -> None:
    crowded = Settings(tmp_path / "state", PORT_SLOT, tmp_path / "homeostat")
    with socket.socket() as taken:
        taken.bind((crowded.address, 30081))
        taken.listen()

        refused = Cluster(crowded, machine.home).run("up", GOPROXY="off", GOMODCACHE=str(tmp_path / "modules"))

    told = " ".join(refused.stderr.split())
    assert refused.returncode == 1
    assert f"Port {crowded.address}:30081 (console) is in use" in told
    assert f"pid={os.getpid()}" in told
    assert "HOMEOSTAT_SLOT" in told
    assert processes(str(crowded.state)) == []


def test_down_leaves_nothing_behind(machine: Cluster) -> None:
    assert machine.run("down").returncode == 0
    before = host()
    machine.up()
    assert host() != before

    assert machine.run("down").returncode == 0

    assert host() == before
    assert processes(str(machine.settings.state)) == []
    assert not (machine.home / ".kube").exists()
    assert sorted(path.name for path in machine.settings.directory.iterdir()) == ["containerd", "containerd-opt", "log"]


def test_down_after_a_crash_leaves_nothing_behind_either(machine: Cluster) -> None:
    assert machine.run("down").returncode == 0
    before = host()
    machine.up()
    os.kill(machine.pid("supervisor"), signal.SIGKILL)

    assert machine.run("down").returncode == 0

    assert host() == before
    assert processes(str(machine.settings.state)) == []
