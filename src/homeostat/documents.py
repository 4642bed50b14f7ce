"""Base classes of every JSON document: camelCase on the wire, snake_case in code, immutable."""

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class StrictDocument(BaseModel):
    """A document that people or clients write: unknown fields are refused by name, so that a typo is not ignored."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


class TolerantDocument(BaseModel):
    """A document that the platform writes: fields of a newer version are ignored, so that a rollback can read it."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True)
