"""MLflow's model registry over REST (``/api/2.0/mlflow``), without importing mlflow.

MLflow has no idempotent create: a version is searched by its intent tag before a create, and again after a create whose
answer did not arrive. Should two creates have gone through all the same, everybody agrees on the lowest version.
"""

from typing import Any

import httpx

from homeostat.engines.http import Engine, Refused
from homeostat.engines.registry import DIGEST_TAG, INTENT_TAG
from homeostat.reconcile.errors import EngineUnavailable
from homeostat.settings import MlflowSettings

API = "/api/2.0/mlflow"
EXISTS, MISSING = "RESOURCE_ALREADY_EXISTS", "RESOURCE_DOES_NOT_EXIST"
# An alias that was never set is reported as INVALID_PARAMETER_VALUE, a missing model as RESOURCE_DOES_NOT_EXIST.
_NO_ALIAS = (MISSING, "INVALID_PARAMETER_VALUE")


class MlflowRegistry:
    """The registry of an MLflow server."""

    def __init__(self, settings: MlflowSettings, transport: httpx.BaseTransport | None = None) -> None:
        self._engine = Engine("MLflow", settings.url, "HOMEOSTAT_MLFLOW_URL", transport=transport)

    def find(self, model: str, intent: str) -> str | None:
        """See Registry."""
        condition = f"name = '{_quoted(model)}' AND tags.`{INTENT_TAG}` = '{_quoted(intent)}'"
        versions: list[int] = []
        page = ""
        while True:
            query = {"filter": condition, "max_results": 100, "page_token": page}
            answer = self._call("GET", "model-versions/search", params=query)
            versions += [int(found["version"]) for found in answer.get("model_versions", [])]
            page = answer.get("next_page_token", "")
            if not page:
                return str(min(versions)) if versions else None

    def register(self, model: str, intent: str, uri: str, digest: str, tags: dict[str, str]) -> str:
        """See Registry."""
        if found := self.find(model, intent):
            return found
        self._create_model(model)
        labels = {**tags, INTENT_TAG: intent, DIGEST_TAG: digest}
        version = {"name": model, "source": uri, "tags": [{"key": k, "value": v} for k, v in labels.items()]}
        try:
            self._call("POST", "model-versions/create", json=version)
        except EngineUnavailable:
            # It may have been created although the answer did not arrive.
            if found := self.find(model, intent):
                return found
            raise
        # Another process may have created one at the same moment: what counts is the lowest.
        found = self.find(model, intent)
        if found is None:
            raise EngineUnavailable(
                f"MLflow does not show the version of {model} that it has just created; the request is retried"
            )
        return found

    def digest(self, model: str, version: str) -> str | None:
        """See Registry."""
        try:
            answer = self._call("GET", "model-versions/get", params={"name": model, "version": version})
        except Refused as refused:
            if refused.code == MISSING:
                return None
            raise
        tags = answer["model_version"].get("tags", [])
        return next((str(tag["value"]) for tag in tags if tag["key"] == DIGEST_TAG), "")

    def set_alias(self, model: str, alias: str, version: str) -> None:
        """See Registry."""
        self._call("POST", "registered-models/alias", json={"name": model, "alias": alias, "version": version})

    def get_alias(self, model: str, alias: str) -> str | None:
        """See Registry."""
        try:
            answer = self._call("GET", "registered-models/alias", params={"name": model, "alias": alias})
        except Refused as refused:
            if refused.code in _NO_ALIAS:
                return None
            raise
        return str(answer["model_version"]["version"])

    def set_tag(self, model: str, version: str, key: str, value: str) -> None:
        """See Registry."""
        tag = {"name": model, "version": version, "key": key, "value": value}
        self._call("POST", "model-versions/set-tag", json=tag)

    def close(self) -> None:
        """Closes the connections."""
        self._engine.close()

    def _create_model(self, model: str) -> None:
        try:
            self._call("POST", "registered-models/create", json={"name": model})
        except Refused as refused:
            if refused.code != EXISTS:
                raise

    def _call(self, method: str, path: str, **request: Any) -> Any:
        return self._engine.call(method, f"{API}/{path}", **request)


def _quoted(text: str) -> str:
    """Text inside a single-quoted string of MLflow's filter language, which has no escapes."""
    if "'" in text or "\\" in text:
        raise ValueError(f"{text!r} cannot be searched for in MLflow; use a name without quotes and backslashes")
    return text
