"""The registry: versions of models, each made for one intent, with aliases and tags."""

from typing import Protocol

INTENT_TAG = "homeostat.intent"
DIGEST_TAG = "homeostat.digest"


class Registry(Protocol):
    """A model registry.

    A model is named ``<namespace>.<model>``. An intent names the work that a version stands for (a TrainingJob's uid and
    attempt), so that a repeated registration finds the version that is already there.
    Every method raises EngineUnavailable when the registry does not answer, and PlatformError when it refuses.
    """

    def find(self, model: str, intent: str) -> str | None:
        """Version made for an intent, the lowest if there are several; None when there is none."""
        ...

    def register(self, model: str, intent: str, uri: str, digest: str, tags: dict[str, str]) -> str:
        """Version for an intent: the one that is there, else a new one; the model is created when missing.

        Args:
            model: ``<namespace>.<model>``.
            intent: What the version stands for.
            uri: Folder of the model's files.
            digest: Digest of the model's manifest, kept as a tag.
            tags: More tags of the version.
        """
        ...

    def digest(self, model: str, version: str) -> str | None:
        """Digest that a version was registered with, empty where none was; None without such a version."""
        ...

    def set_alias(self, model: str, alias: str, version: str) -> None:
        """Points an alias to a version."""
        ...

    def get_alias(self, model: str, alias: str) -> str | None:
        """Version that an alias points to; None without model or alias."""
        ...

    def set_tag(self, model: str, version: str, key: str, value: str) -> None:
        """Sets a tag of a version."""
        ...
