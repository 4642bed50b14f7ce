"""Outcomes as the observer service answers them."""

from datetime import datetime
from pathlib import Path
from typing import TypeVar

import httpx
from pydantic import TypeAdapter, ValidationError

from homeostat.artifacts.holdout import Holdout
from homeostat.artifacts.outcomes import LabelGain
from homeostat.engines.http import TOKEN_PATH, Engine, ServiceAccountToken
from homeostat.reconcile.errors import EngineUnavailable
from homeostat.settings import ObserverSettings
from homeostat.signals.shadow import ShadowComparison
from homeostat.tasks import AnyCohort

Counts = TypeVar("Counts")

_COHORT: TypeAdapter[AnyCohort] = TypeAdapter(AnyCohort)
_SHADOW, _GAIN = TypeAdapter(ShadowComparison), TypeAdapter(LabelGain)


class ObserverOutcomes:
    """Outcomes of an observer."""

    def __init__(
        self, settings: ObserverSettings, token: Path = TOKEN_PATH, transport: httpx.BaseTransport | None = None
    ) -> None:
        auth = ServiceAccountToken(token)
        self._engine = Engine("the observer", settings.url, "HOMEOSTAT_OBSERVER_URL", auth=auth, transport=transport)

    def cohort(self, namespace: str, deployment: str, version: str, start: datetime, end: datetime) -> AnyCohort:
        """See Outcomes."""
        span = {"from": start.isoformat(), "to": end.isoformat()}
        query = {"namespace": namespace, "deployment": deployment, "version": version, **span}
        return self._counts(_COHORT, "/v1/cohorts", query)

    def shadow(self, namespace: str, deployment: str, version: str, since: datetime) -> ShadowComparison:
        """See Outcomes."""
        query = {"namespace": namespace, "deployment": deployment, "version": version, "since": since.isoformat()}
        return self._counts(_SHADOW, "/v1/shadow", query)

    def label_gain(self, namespace: str, deployment: str, since: datetime, model: str, holdout: Holdout) -> LabelGain:
        """See Outcomes."""
        held = {"model": model, "holdoutPercent": str(holdout.percent or 0), "holdoutLatest": str(holdout.kept_seconds)}
        query = {"namespace": namespace, "deployment": deployment, "since": since.isoformat(), **held}
        return self._counts(_GAIN, "/v1/labels", query)

    def _counts(self, kind: TypeAdapter[Counts], path: str, query: dict[str, str]) -> Counts:
        answer = self._engine.call("GET", path, params=query)
        try:
            return kind.validate_python(answer)
        except ValidationError as error:
            raise EngineUnavailable(
                f"the observer's answer to {path} cannot be read: {error}; are both of the same release?"
            ) from error

    def close(self) -> None:
        """Closes the connections."""
        self._engine.close()
