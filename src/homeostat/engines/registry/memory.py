"""A registry in memory."""

from dataclasses import dataclass, field

from homeostat.engines.registry import DIGEST_TAG, INTENT_TAG
from homeostat.reconcile.errors import PlatformError


@dataclass
class StoredVersion:
    """A version of a model."""

    uri: str
    tags: dict[str, str]


@dataclass
class RegisteredModel:
    """A registered model; version n is at index n - 1."""

    versions: list[StoredVersion] = field(default_factory=list)
    aliases: dict[str, str] = field(default_factory=dict)


class MemoryRegistry:
    """A registry in memory; ``models`` holds everything by name."""

    def __init__(self) -> None:
        self.models: dict[str, RegisteredModel] = {}

    def find(self, model: str, intent: str) -> str | None:
        """See Registry."""
        versions = self.models.get(model, RegisteredModel()).versions
        return next((str(n) for n, v in enumerate(versions, 1) if v.tags[INTENT_TAG] == intent), None)

    def register(self, model: str, intent: str, uri: str, digest: str, tags: dict[str, str]) -> str:
        """See Registry."""
        if found := self.find(model, intent):
            return found
        versions = self.models.setdefault(model, RegisteredModel()).versions
        versions.append(StoredVersion(uri, {**tags, INTENT_TAG: intent, DIGEST_TAG: digest}))
        return str(len(versions))

    def digest(self, model: str, version: str) -> str | None:
        """See Registry."""
        versions = self.models.get(model, RegisteredModel()).versions
        return versions[int(version) - 1].tags.get(DIGEST_TAG, "") if 1 <= int(version) <= len(versions) else None

    def set_alias(self, model: str, alias: str, version: str) -> None:
        """See Registry."""
        self._version(model, version)
        self.models[model].aliases[alias] = version

    def get_alias(self, model: str, alias: str) -> str | None:
        """See Registry."""
        return self.models.get(model, RegisteredModel()).aliases.get(alias)

    def set_tag(self, model: str, version: str, key: str, value: str) -> None:
        """See Registry."""
        self._version(model, version).tags[key] = value

    def _version(self, model: str, version: str) -> StoredVersion:
        versions = self.models.get(model, RegisteredModel()).versions
        if not 1 <= int(version) <= len(versions):
            raise PlatformError(f"the registry has no version {version} of model {model}; register it first")
        return versions[int(version) - 1]
