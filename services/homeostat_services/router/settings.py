"""Settings of the router, from the environment."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class RouterSettings(BaseSettings):
    """`HOMEOSTAT_<NAME>`, read once at start."""

    model_config = SettingsConfigDict(env_prefix="HOMEOSTAT_", frozen=True)

    release_namespace: str = Field("homeostat-system", description="Where the platform's own pods are.")
