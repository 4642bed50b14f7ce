from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from homeostat.engines.objects.memory import MemoryObjects
from homeostat_services.access import Access, Guard
from homeostat_services.access.memory import MemoryReviews
from homeostat_services.observer.app import create_app
from homeostat_services.observer.export import Exporter
from homeostat_services.observer.retention import Retention
from homeostat_services.observer.settings import ObserverServiceSettings
from homeostat_services.observer.store import Store, open_database

NOW = 1_800_000_000.0


@dataclass
class Observer:
    """An observer on a real database file, with a clock that stands still."""

    path: Path
    objects: MemoryObjects = field(default_factory=MemoryObjects)
    now: float = NOW
    tolerance: timedelta = timedelta(minutes=10)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        self.store = Store(open_database(self.path), self.tolerance, lambda: self.now)
        self.exporter = Exporter(self.store, self.objects, "homeostat", lambda: self.now)
        self.retention = Retention(self.store, lambda: self.now)


@pytest.fixture
def observer(tmp_path: Path) -> Observer:
    return Observer(tmp_path / "observer.db")


@pytest.fixture
def reviews() -> MemoryReviews:
    rights = {("predictor", Access("create", "modeldeployments", "churn", "predictions"))}
    rights |= {("seller", Access("create", "modeldeployments", "churn", sub)) for sub in ("outcomes", "business")}
    rights |= {("monitor", Access("get", "modeldeployments", "churn", sub)) for sub in ("cohorts", "outcomes")}
    return MemoryReviews({f"token-{user}": user for user in ("predictor", "seller", "monitor")}, rights)


@pytest.fixture
async def client(observer: Observer, reviews: MemoryReviews) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(observer.store, observer.exporter, Guard(reviews), ObserverServiceSettings(export_seconds=3600))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://observer") as http:
        yield http


@pytest.fixture
def bearer() -> Callable[[str], dict[str, str]]:
    return lambda user: {"Authorization": f"Bearer token-{user}"}
