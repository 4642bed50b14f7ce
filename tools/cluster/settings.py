"""Where a cluster keeps its files and which addresses it uses; everything follows from two environment variables."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]

NODE_PORTS = {"router": 30080, "console": 30081, "observer": 30082, "prometheus": 30090}
"""Ports of the chart's NodePort services that people and tests reach on the host."""

MAX_SLOT = 9


class UserError(Exception):
    """The person at the keyboard must act; the message says what to do."""


@dataclass(frozen=True)
class Settings:
    """One cluster's names and addresses.

    `slot` tells clusters that run at the same time apart: it picks the loopback address and the private networks.
    """

    state: Path
    slot: int
    cache: Path

    @property
    def name(self) -> str:
        """Short and unique to the state directory: part of interface, cgroup and socket names."""
        return "homeostat-" + hashlib.sha256(str(self.state).encode()).hexdigest()[:6]

    @property
    def interface(self) -> str:
        """The host's end of the link to the node; the kernel allows 15 characters."""
        return "hs-" + self.name[-6:]

    @property
    def directory(self) -> Path:
        """Everything that the cluster itself writes."""
        return self.state / "cluster"

    @property
    def runtime(self) -> Path:
        """Sockets: a path of theirs must stay below 108 characters wherever the checkout is."""
        return Path("/run") / self.name

    @property
    def kubeconfig(self) -> Path:
        """Administrator's access, for people and tests."""
        return self.directory / "kubeconfig"

    @property
    def kubectl(self) -> Path:
        """A link to the binary."""
        return self.state / "bin" / "kubectl"

    @property
    def containerd(self) -> Path:
        """The socket of the cluster's own containerd."""
        return self.runtime / "containerd.sock"

    @property
    def address(self) -> str:
        """Where the host reaches the node ports."""
        return f"127.0.0.{1 + self.slot}"

    @property
    def link(self) -> str:
        """The network between host and node."""
        return f"10.199.{self.slot}.0/30"

    @property
    def host(self) -> str:
        """The host's end of the link."""
        return f"10.199.{self.slot}.1"

    @property
    def node(self) -> str:
        """The node's end of the link."""
        return f"10.199.{self.slot}.2"

    @property
    def pods(self) -> str:
        """The pods' network."""
        return f"10.{244 - self.slot}.0.0/16"

    @property
    def services(self) -> str:
        """The services' network."""
        return f"10.{96 + self.slot}.0.0/16"

    def service(self, last: int) -> str:
        """The `last`-th address of the services' network."""
        return f"10.{96 + self.slot}.0.{last}"

    @property
    def server(self) -> str:
        """The API server's URL."""
        return f"https://{self.node}:6443"


def load() -> Settings:
    """Reads `HOMEOSTAT_STATE` (default: .state of the checkout) and `HOMEOSTAT_SLOT` (0 to 9, default 0).

    A cluster that is up keeps the slot that it was started with.

    Raises:
        UserError: the slot is not a number from 0 to 9.
    """
    state = Path(os.environ.get("HOMEOSTAT_STATE") or REPOSITORY / ".state").resolve()
    remembered = state / "cluster" / "slot"
    slot = remembered.read_text() if remembered.exists() else os.environ.get("HOMEOSTAT_SLOT") or "0"
    if not slot.isdigit() or int(slot) > MAX_SLOT:
        raise UserError(f"HOMEOSTAT_SLOT is {slot!r}; use a number from 0 to {MAX_SLOT}.")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "homeostat"
    return Settings(state=state, slot=int(slot), cache=cache)
