"""Outcomes as the observer service answers them."""

from datetime import datetime
from pathlib import Path

import httpx
from pydantic import ValidationError

from homeostat.engines.http import TOKEN_PATH, Engine, ServiceAccountToken
from homeostat.reconcile.errors import EngineUnavailable
from homeostat.settings import ObserverSettings
from homeostat.signals.performance import CohortCounts


class ObserverOutcomes:
    """Outcomes of an observer."""

    def __init__(
        self, settings: ObserverSettings, token: Path = TOKEN_PATH, transport: httpx.BaseTransport | None = None
    ) -> None:
        auth = ServiceAccountToken(token)
        self._engine = Engine("the observer", settings.url, "HOMEOSTAT_OBSERVER_URL", auth=auth, transport=transport)

    def cohort(self, namespace: str, deployment: str, version: str, start: datetime, end: datetime) -> CohortCounts:
        """See Outcomes."""
        span = {"from": start.isoformat(), "to": end.isoformat()}
        query = {"namespace": namespace, "deployment": deployment, "version": version, **span}
        answer = self._engine.call("GET", "/v1/cohorts", params=query)
        try:
            return CohortCounts.model_validate(answer)
        except ValidationError as error:
            raise EngineUnavailable(
                f"the observer's cohort cannot be read: {error}; are both of the same release?"
            ) from error

    def labelled_entities(self, namespace: str, deployment: str, since: datetime) -> int:
        """See Outcomes."""
        query = {"namespace": namespace, "deployment": deployment, "since": since.isoformat()}
        return int(self._engine.call("GET", "/v1/labels", params=query)["entities"])

    def close(self) -> None:
        """Closes the connections."""
        self._engine.close()
