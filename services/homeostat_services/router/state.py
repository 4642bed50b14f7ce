"""What the router knows, and who waits for news of it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from homeostat.conventions import HTTP_PORT

PREDICTOR = "predictor"


@dataclass(frozen=True)
class Share:
    """A version's share of a deployment's requests: percentages that it answers, and that it gets a copy of."""

    version: str
    weight: int
    mirror: int = 0


@dataclass(frozen=True)
class Deployment:
    """The part of a ModelDeployment that decides on traffic."""

    namespace: str
    name: str
    shares: tuple[Share, ...]


@dataclass(frozen=True)
class Pod:
    """A pod of the platform: a predictor, or another component.

    Attributes:
        deployment: ModelDeployment that a predictor belongs to.
        version: The version that it serves.
        port: Where it serves.
        ready: It answers requests and is not on its way out.
    """

    namespace: str
    name: str
    component: str
    address: str
    ready: bool
    deployment: str = ""
    version: str = ""
    port: int = HTTP_PORT


@dataclass(frozen=True)
class State:
    """Everything that was seen last; None before the first list."""

    deployments: Mapping[str, Deployment] | None = None
    pods: Mapping[str, Pod] | None = None

    @property
    def loaded(self) -> bool:
        """Whether both lists have been read: half a state would take traffic away from what serves."""
        return self.deployments is not None and self.pods is not None


@dataclass
class TrafficStore:
    """Holds the newest state and wakes those who wait; used on one event loop only."""

    state: State = field(default_factory=State)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def put(
        self, *, deployments: Mapping[str, Deployment] | None = None, pods: Mapping[str, Pod] | None = None
    ) -> None:
        """Replace what is given."""
        new = self.state
        new = new if deployments is None else replace(new, deployments=deployments)
        new = new if pods is None else replace(new, pods=pods)
        if new == self.state:
            return
        self.state = new
        self._changed.set()
        self._changed = asyncio.Event()

    async def changed(self) -> None:
        """Return when the state changes."""
        await self._changed.wait()
