"""The cluster's network and mount namespaces, and the one cable that leads out of them."""

import os
import subprocess
from pathlib import Path

from tools.cluster import node
from tools.cluster.settings import Settings


def on_host(host_network: int) -> tuple[str, ...]:
    """The prefix that runs a command in the host's network, given a descriptor of that namespace."""
    return ("nsenter", f"--net=/proc/self/fd/{host_network}", "--")


def _run(*argv: str, descriptor: int | None = None) -> None:
    prefix = () if descriptor is None else on_host(descriptor)
    subprocess.run([*prefix, *argv], check=True, pass_fds=() if descriptor is None else (descriptor,))


def _mounts(settings: Settings) -> None:
    # Secret volumes are mounts that the kubelet makes and containerd must see; they may share, the host may not.
    _run("mount", "--make-rshared", "/")
    for fixed in node.PRIVATE_DIRECTORIES:
        _run("mount", "--bind", str(node.private(settings, fixed)), fixed)
    for name in node.MASKED_SYSCTLS:
        _run("mount", "--bind", str(settings.directory / "etc" / "sysctl" / name), f"/proc/sys/{name}")


def _link(settings: Settings, host_network: int) -> None:
    host_end = settings.interface
    peer = ("peer", "name", "eth0", "netns", str(os.getpid()))
    _run("ip", "link", "add", host_end, "type", "veth", *peer, descriptor=host_network)
    _run("ip", "address", "add", f"{settings.host}/30", "dev", host_end, descriptor=host_network)
    _run("ip", "link", "set", host_end, "up", descriptor=host_network)
    for network in (settings.pods, settings.services):
        _run("ip", "route", "add", network, "via", settings.node, descriptor=host_network)
    _run("ip", "link", "set", "lo", "up")
    _run("ip", "address", "add", f"{settings.node}/30", "dev", "eth0")
    _run("ip", "link", "set", "eth0", "up")
    # A default route, even one that leads nowhere: without it a service address is unreachable before it is translated.
    _run("ip", "route", "add", "default", "via", settings.host)


def prepare(settings: Settings, host_network: int) -> None:
    """Turns the fresh namespaces of this process into the node's.

    Raises:
        subprocess.CalledProcessError: a mount or an address was refused; the command's own words are in the log.
    """
    _mounts(settings)
    _link(settings, host_network)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
