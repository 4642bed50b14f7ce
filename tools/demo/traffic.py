"""Callers asking for predictions: a process of its own, steered by one small file and reporting in another.

``python -m tools.demo.traffic DIRECTORY`` reads ``traffic.json`` (a `Plan`) every second, asks about shuffled entities through
the gateway, posts the real outcome of each 30 to 45 seconds after the prediction, and writes ``counts.json``. It
ends by itself after `LIFETIME`.
"""

import asyncio
import heapq
import json
import random
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import httpx

from tools.demo.values import Label, Outputs

LIFETIME = 4 * 3600.0
OUTCOME_DELAY = (30.0, 45.0)
OUTCOME_BATCH = 500
"""Outcomes in one request: after a pause of the observer thousands are due, and one request for all would time out again."""


@dataclass
class Plan:
    """What to send: entities by group, shares of the groups, and where to.

    The rate is in requests per second. `token_file` holds the bearer token that may post outcomes;
    `entity` is the field of a request that holds the key.
    """

    url: str
    model: str
    observer: str
    namespace: str
    entity: str
    token_file: str
    rate: float
    groups: dict[str, list[str]]
    shares: dict[str, float]
    outcomes: dict[str, Label]


@dataclass
class Counts:
    """What happened so far; `failures` holds the first few in words."""

    sent: int = 0
    answered: int = 0
    failed: int = 0
    outcomes: int = 0
    outcome_errors: int = 0
    by_version: dict[str, int] = field(default_factory=dict)
    by_group: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    last_outcome_error: str = ""
    last_outputs: Outputs = field(default_factory=dict)


def write_json(path: Path, value: object) -> None:
    """Replaces the file in one step, so that a reader never sees half of it."""
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(value))
    draft.replace(path)


class Shuffle:
    """Every entity of a group once, in random order, then all again."""

    def __init__(self, entities: list[str], draw: random.Random) -> None:
        self._entities, self._draw, self._left = entities, draw, list[str]()

    def next(self) -> str:
        """The next entity."""
        if not self._left:
            self._left = self._draw.sample(self._entities, len(self._entities))
        return self._left.pop()


class Traffic:
    """The sender."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.counts = Counts()
        self.due: list[tuple[float, str, Label]] = []
        self.draw = random.Random(7)
        self.plan = self._read()
        self.shuffles = {name: Shuffle(entities, self.draw) for name, entities in self.plan.groups.items()}

    def _read(self) -> Plan:
        return Plan(**json.loads((self.directory / "traffic.json").read_text()))

    async def run(self) -> None:
        """Sends until the lifetime is over."""
        limits = httpx.Limits(max_connections=32, max_keepalive_connections=32)
        async with (
            httpx.AsyncClient(timeout=10, limits=limits, trust_env=False) as client,
            asyncio.TaskGroup() as tasks,
        ):
            end = time.monotonic() + LIFETIME
            following = time.monotonic()
            reporter = tasks.create_task(self._report(client))
            while time.monotonic() < end:
                group = self.draw.choices(list(self.plan.shares), list(self.plan.shares.values()))[0]
                tasks.create_task(self._predict(client, group, self.shuffles[group].next()))
                following = max(following + 1 / self.plan.rate, time.monotonic() - 1)
                await asyncio.sleep(max(0.0, following - time.monotonic()))
            reporter.cancel()

    async def _predict(self, client: httpx.AsyncClient, group: str, entity: str) -> None:
        body = {"inputs": [{"name": self.plan.entity, "shape": [1], "datatype": "BYTES", "data": [entity]}]}
        self.counts.sent += 1
        try:
            answer = await client.post(f"{self.plan.url}/v2/models/{self.plan.model}/infer", json=body)
            answer.raise_for_status()
            document = answer.json()
            self.counts.last_outputs = {output["name"]: output["data"] for output in document["outputs"]}
        except (httpx.HTTPError, ValueError, KeyError) as error:
            self.counts.failed += 1
            if len(self.counts.failures) < 5:
                text = error.response.text[:200] if isinstance(error, httpx.HTTPStatusError) else ""
                self.counts.failures.append(f"{time.strftime('%H:%M:%S')} {entity}: {error!r} {text}")
            return
        self.counts.answered += 1
        version = str(document.get("model_version", ""))
        self.counts.by_version[version] = self.counts.by_version.get(version, 0) + 1
        self.counts.by_group[group] = self.counts.by_group.get(group, 0) + 1
        at = time.monotonic() + self.draw.uniform(*OUTCOME_DELAY)
        heapq.heappush(self.due, (at, document["id"], self.plan.outcomes[entity]))

    async def _report(self, client: httpx.AsyncClient) -> None:
        while True:
            await asyncio.sleep(1)
            self.plan = self._read()
            for name, entities in self.plan.groups.items():
                self.shuffles.setdefault(name, Shuffle(entities, self.draw))
            await self._post_outcomes(client)
            write_json(self.directory / "counts.json", asdict(self.counts))

    def _token(self) -> str:
        return Path(self.plan.token_file).read_text().strip()

    async def _post_outcomes(self, client: httpx.AsyncClient) -> None:
        """Posts what is due now, a batch at a time, until all is posted or a request fails.

        What becomes due meanwhile waits for the next call: at a high rate there is always more, and counts would never
        be written.
        """
        delivered, now = True, time.monotonic()
        while delivered and self.due and self.due[0][0] <= now:
            ready: list[tuple[float, str, Label]] = []
            while self.due and self.due[0][0] <= now and len(ready) < OUTCOME_BATCH:
                ready.append(heapq.heappop(self.due))
            delivered = await self._delivered(client, ready)

    async def _delivered(self, client: httpx.AsyncClient, ready: list[tuple[float, str, Label]]) -> bool:
        body = {
            "namespace": self.plan.namespace,
            "deployment": self.plan.model,
            "outcomes": [{"predictionId": identifier, "label": label} for _, identifier, label in ready],
        }
        token = self._token()
        try:
            answer = await client.post(
                f"{self.plan.observer}/v1/outcomes", json=body, headers={"Authorization": f"Bearer {token}"}
            )
            answer.raise_for_status()
        except httpx.HTTPError as error:
            # Posting is idempotent: the same outcomes are sent again in a second.
            self.counts.outcome_errors += 1
            text = error.response.text[:200] if isinstance(error, httpx.HTTPStatusError) else ""
            self.counts.last_outcome_error = f"{time.strftime('%H:%M:%S')} outcomes: {error!r} {text}"
            for item in ready:
                heapq.heappush(self.due, item)
            return False
        self.counts.outcomes += len(ready)
        return True


if __name__ == "__main__":
    asyncio.run(Traffic(Path(sys.argv[1])).run())
