"""Configuration files of the node: containerd and its network, kubelet, kube-proxy, DNS."""

import json
from pathlib import Path

import yaml

from tools.cluster.settings import Settings

PAUSE_IMAGE = "localhost/homeostat/pause:1"

MASKED_SYSCTLS = {"vm/overcommit_memory": "1", "kernel/panic": "10", "kernel/panic_on_oops": "1"}
"""Host-wide settings that the kubelet insists on: it sees files with these values in the place of the real ones."""

PRIVATE_DIRECTORIES = ("/var/lib/kubelet", "/var/lib/cni", "/var/log/containers", "/var/log/pods")
"""Paths fixed in the kubelet and in CNI; in the cluster's mount namespace they are directories of the cluster."""


def _containerd(settings: Settings) -> str:
    directory = settings.directory
    return f"""\
version = 2
root = "{directory / "containerd"}"
state = "{settings.runtime / "containerd"}"
[grpc]
  address = "{settings.containerd}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{directory / "containerd-opt"}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  # Lowering a score below the parent's needs CAP_SYS_RESOURCE, which containers and small machines lack.
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{directory / "etc" / "cni"}"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
"""


def _cni(settings: Settings) -> str:
    ipam = {
        "type": "host-local",
        "ranges": [[{"subnet": settings.pods}]],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dataDir": str(settings.runtime / "addresses"),
    }
    # Masquerading serves pods that talk to the host; between pods and services the plug-in leaves addresses alone.
    bridge = {
        "type": "bridge",
        "bridge": "pods",
        "isGateway": True,
        "ipMasq": True,
        "hairpinMode": True,
        "ipam": ipam,
    }
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}}
    return json.dumps({"cniVersion": "0.4.0", "name": "homeostat", "plugins": [bridge, portmap]}, indent=2)


def _kubelet(settings: Settings) -> str:
    pki = settings.directory / "pki"
    configuration = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(pki / "kubelet.crt"),
        "tlsPrivateKeyFile": str(pki / "kubelet.key"),
        "containerRuntimeEndpoint": f"unix://{settings.containerd}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{settings.name}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "clusterDNS": [settings.service(10)],
        "clusterDomain": "cluster.local",
        "resolvConf": "",  # the host's search domains are no business of the pods
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,  # images come by import, so none may be thrown away
        "oomScoreAdj": 0,
        "seccompDefault": True,
    }
    return yaml.safe_dump(configuration)


def _kube_proxy(settings: Settings) -> str:
    configuration = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(settings.directory / "pki" / "kube-proxy.conf")},
        "mode": "iptables",
        "clusterCIDR": settings.pods,
        # Zero leaves the kernel's own settings, which belong to the host, as they are.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpCloseWaitTimeout": "0s", "tcpEstablishedTimeout": "0s"},
        "hostnameOverride": "local",
        "oomScoreAdj": 0,
    }
    return yaml.safe_dump(configuration)


def _corefile(settings: Settings) -> str:
    # There is no way out of the cluster, so a name outside is unknown at once instead of after a time-out. It needs a
    # block of its own: within one, CoreDNS asks `template` before `kubernetes`.
    return f"""\
cluster.local:1053 in-addr.arpa:1053 {{
  bind {settings.node}
  errors
  kubernetes cluster.local in-addr.arpa {{
    kubeconfig {settings.directory / "pki" / "coredns.conf"} homeostat
  }}
  cache 5
}}
.:1053 {{
  bind {settings.node}
  errors
  template ANY ANY {{
    rcode NXDOMAIN
  }}
}}
"""


def write(settings: Settings) -> None:
    """Writes `<cluster>/etc` and makes the directories that the components expect."""
    etc = settings.directory / "etc"
    files = {
        "containerd.toml": _containerd(settings),
        "cni/10-homeostat.conflist": _cni(settings),
        "kubelet.yaml": _kubelet(settings),
        "kube-proxy.yaml": _kube_proxy(settings),
        "Corefile": _corefile(settings),
        **{f"sysctl/{name}": value + "\n" for name, value in MASKED_SYSCTLS.items()},
    }
    for name, text in files.items():
        path = etc / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for path in (settings.runtime, settings.directory / "volumes", settings.directory / "log"):
        path.mkdir(parents=True, exist_ok=True)
    for old in (settings.directory / "log").glob("*.log"):
        old.unlink()
    for fixed in PRIVATE_DIRECTORIES:
        private(settings, fixed).mkdir(parents=True, exist_ok=True)


def private(settings: Settings, fixed: str) -> Path:
    """The cluster's directory that stands in for the `fixed` path."""
    return settings.directory / "node" / Path(fixed).name
