"""What runs on the node, each with its command line; every flag that is not a path has its reason beside it."""

from dataclasses import dataclass, field

from tools.cluster.settings import NODE_PORTS, Settings


@dataclass(frozen=True)
class Component:
    """A process that the supervisor keeps running."""

    name: str
    argv: tuple[str, ...]
    needs_api: bool = True  # started only once the API server answers
    on_host: bool = False  # in the host's network, not in the cluster's
    env: dict[str, str] = field(default_factory=dict)


def _etcd(settings: Settings) -> Component:
    pki = settings.directory / "pki"
    argv = [
        "etcd",
        "--name=local",
        f"--data-dir={settings.directory / 'etcd'}",
        "--listen-client-urls=https://127.0.0.1:2379",
        "--advertise-client-urls=https://127.0.0.1:2379",
        "--listen-peer-urls=https://127.0.0.1:2380",
        "--initial-advertise-peer-urls=https://127.0.0.1:2380",
        "--initial-cluster=local=https://127.0.0.1:2380",
        "--log-level=warn",
        "--unsafe-no-fsync",  # this cluster's objects are worth less than the time to wait for a laptop's disk
    ]
    for peer in ("", "peer-"):
        argv += [
            f"--{peer}client-cert-auth",
            f"--{peer}trusted-ca-file={pki / 'etcd-ca.crt'}",
            f"--{peer}cert-file={pki / 'etcd.crt'}",
            f"--{peer}key-file={pki / 'etcd.key'}",
        ]
    return Component("etcd", tuple(argv), needs_api=False)


def _apiserver(settings: Settings) -> Component:
    pki = settings.directory / "pki"
    argv = (
        "kube-apiserver",
        "--etcd-servers=https://127.0.0.1:2379",
        f"--etcd-cafile={pki / 'etcd-ca.crt'}",
        f"--etcd-certfile={pki / 'apiserver-etcd.crt'}",
        f"--etcd-keyfile={pki / 'apiserver-etcd.key'}",
        f"--tls-cert-file={pki / 'apiserver.crt'}",
        f"--tls-private-key-file={pki / 'apiserver.key'}",
        f"--client-ca-file={pki / 'ca.crt'}",
        f"--kubelet-certificate-authority={pki / 'ca.crt'}",
        f"--kubelet-client-certificate={pki / 'apiserver-kubelet.crt'}",
        f"--kubelet-client-key={pki / 'apiserver-kubelet.key'}",
        "--kubelet-preferred-address-types=InternalIP",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={pki / 'sa.pub'}",
        f"--service-account-signing-key-file={pki / 'sa.key'}",
        f"--service-cluster-ip-range={settings.services}",
        f"--advertise-address={settings.node}",
        "--anonymous-auth=false",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        "--profiling=false",
        "--v=1",
    )
    return Component("kube-apiserver", argv, needs_api=False)


def _controller_manager(settings: Settings) -> Component:
    pki = settings.directory / "pki"
    argv = (
        "kube-controller-manager",
        f"--kubeconfig={pki / 'kube-controller-manager.conf'}",
        f"--authentication-kubeconfig={pki / 'kube-controller-manager.conf'}",
        f"--authorization-kubeconfig={pki / 'kube-controller-manager.conf'}",
        f"--service-account-private-key-file={pki / 'sa.key'}",
        f"--root-ca-file={pki / 'ca.crt'}",
        f"--cluster-signing-cert-file={pki / 'ca.crt'}",
        f"--cluster-signing-key-file={pki / 'ca.key'}",
        "--use-service-account-credentials",
        "--leader-elect=false",  # there is one of it
        "--controllers=*,-node-route-controller,-service-lb-controller",  # both need a cloud
        "--profiling=false",
    )
    return Component("kube-controller-manager", argv)


def _relay(settings: Settings) -> Component:
    pairs = (f"{settings.address}:{port}={settings.node}:{port}" for port in NODE_PORTS.values())
    return Component("relay", ("relay", *pairs), needs_api=False, on_host=True)


def all_components(settings: Settings) -> list[Component]:
    """In the order in which they are started; they are stopped in the opposite one."""
    directory = settings.directory
    pki, etc = directory / "pki", directory / "etc"
    scheduler = (
        "kube-scheduler",
        f"--kubeconfig={pki / 'kube-scheduler.conf'}",
        f"--authentication-kubeconfig={pki / 'kube-scheduler.conf'}",
        f"--authorization-kubeconfig={pki / 'kube-scheduler.conf'}",
        "--leader-elect=false",
        "--profiling=false",
    )
    kubelet = (
        "kubelet",
        f"--config={etc / 'kubelet.yaml'}",
        f"--kubeconfig={pki / 'kubelet.conf'}",
        "--hostname-override=local",
        f"--node-ip={settings.node}",
        "--v=1",
    )
    volumes = ("volumes", f"--kubeconfig={pki / 'volumes.conf'}", f"--root={directory / 'volumes'}")
    return [
        Component("containerd", ("/usr/bin/env", "containerd", "-c", str(etc / "containerd.toml")), needs_api=False),
        _etcd(settings),
        _apiserver(settings),
        _relay(settings),
        _controller_manager(settings),
        Component("kube-scheduler", scheduler),
        Component("kube-proxy", ("kube-proxy", f"--config={etc / 'kube-proxy.yaml'}")),
        Component("coredns", ("coredns", "-conf", str(etc / "Corefile"))),
        Component("volumes", volumes),
        Component("kubelet", kubelet),
    ]
