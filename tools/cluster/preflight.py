"""Checks that come before anything is changed, each with a message that says what to do."""

import ipaddress
import json
import os
import platform
import shutil
import socket
import subprocess
import threading
from pathlib import Path
from typing import Any

from tools.cluster import runtime
from tools.cluster.progress import console, step
from tools.cluster.settings import NODE_PORTS, Settings, UserError

PACKAGES = {
    "containerd": ("containerd", "runs containers"),
    "runc": ("runc", "starts each container"),
    "/usr/lib/cni/bridge": ("containernetworking-plugins", "connects pods to a bridge"),
    "iptables": ("iptables", "carries out Services"),
    "ip": ("iproute2", "sets up the cluster's network"),
    "nsenter": ("util-linux", "enters the cluster's namespaces"),
    "mount": ("mount", "mounts the kubelet's directories"),
}
"""Program (or file) → Debian package that has it, and what it is for."""

_INSTALLING = threading.Lock()  # images and cluster may be made at the same time, apt-get runs once at a time

_ELSEWHERE = (
    "To use a cluster that you already have, run the same command with CONTEXT=<kubectl context> REGISTRY=<prefix>."
)


def machine(what: str = "The local cluster", otherwise: str = _ELSEWHERE) -> None:
    """Linux and root are needed for namespaces, cgroups and mounts.

    Args:
        what: Who needs them.
        otherwise: What can be done where they cannot be had.

    Raises:
        UserError: this is another system or another user.
    """
    if platform.system() != "Linux":
        raise UserError(f"{what} needs Linux, this is {platform.system()}. {otherwise}")
    if os.geteuid() != 0:
        raise UserError(f"{what} needs root: run `sudo -E make …`. {otherwise}")
    if "overlay" not in Path("/proc/filesystems").read_text():
        subprocess.run(["modprobe", "overlay"], check=False, capture_output=True)
    if not Path("/proc/sys/net/bridge").exists():  # pods on one bridge must pass the Service rules, too
        subprocess.run(["modprobe", "br_netfilter"], check=False, capture_output=True)


def packages(programs: dict[str, tuple[str, str]]) -> None:
    """Installs the Debian packages of programs that are missing.

    Raises:
        UserError: they are missing and there is no apt-get, or it failed.
    """
    with _INSTALLING:
        missing = {
            need: why for program, (need, why) in programs.items() if shutil.which(program, path=runtime.PATH) is None
        }
        if missing:
            _install(missing)


def _install(missing: dict[str, str]) -> None:
    listed = ", ".join(f"{need} ({why})" for need, why in missing.items())
    if shutil.which("apt-get") is None:
        raise UserError(f"Programs are missing and this is not Debian: install {listed} with your package manager.")
    console.print(f"Installing Debian packages: {listed}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-y", "--no-install-recommends", *missing]
    with step("apt-get install"):
        subprocess.run(["apt-get", "update"], env=environment, check=False, capture_output=True)
        result = subprocess.run(install, env=environment, check=False, capture_output=True, text=True)
    if result.returncode != 0:
        raise UserError(f"`{' '.join(install)}` failed:\n{result.stdout[-500:]}{result.stderr[-1500:]}")


def _listener(address: str, port: int) -> str:
    """Who listens there, as far as `ss` can tell."""
    here = {f"{each}:{port}" for each in (address, "0.0.0.0", "*", "[::]")}  # noqa: S104 - compared, not bound
    listeners = subprocess.run(["ss", "-Hltnp", f"sport = :{port}"], check=False, capture_output=True, text=True).stdout
    users = [
        line.split("users:", 1)[1].strip()
        for line in listeners.splitlines()
        if line.split()[3] in here and "users:" in line
    ]
    return f"by {users[0]}" if users else "(by an unknown process)"


def ports(settings: Settings) -> None:
    """The node ports must be free on the cluster's loopback address.

    Raises:
        UserError: one is in use; the message names it, its user and the way out.
    """
    for name, port in NODE_PORTS.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((settings.address, port))
            except OSError:
                raise UserError(
                    f"Port {settings.address}:{port} ({name}) is in use {_listener(settings.address, port)}: stop that, "
                    f"or set HOMEOSTAT_SLOT to another number than {settings.slot} (0 to 9) to use another address."
                ) from None


def routes() -> list[dict[str, Any]]:
    """The host's IPv4 routes, as `ip -j route` lists them."""
    listed = subprocess.run(["ip", "-j", "-4", "route"], check=True, capture_output=True, text=True).stdout
    return list(json.loads(listed))


def networks(settings: Settings, routes: list[dict[str, Any]]) -> None:
    """The cluster's networks must not overlap with the host's routes.

    Raises:
        UserError: one does; the message names both and the way out.
    """
    for name, network in (("link", settings.link), ("pod", settings.pods), ("service", settings.services)):
        for route in routes:
            if route["dst"] == "default":
                continue
            if ipaddress.ip_network(network).overlaps(ipaddress.ip_network(route["dst"])):
                raise UserError(
                    f"The {name} network {network} overlaps with the route {route['dst']} dev {route.get('dev')}: "
                    f"set HOMEOSTAT_SLOT to another number than {settings.slot} (0 to 9) to use other networks."
                )
