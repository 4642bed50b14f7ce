"""Settings of the router, from the environment."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class RouterSettings(BaseSettings):
    """Where the router looks, as `HOMEOSTAT_<NAME>`."""

    model_config = SettingsConfigDict(env_prefix="HOMEOSTAT_", frozen=True, env_ignore_empty=True)

    release_namespace: str = Field("homeostat-system", description="Where the platform's own pods are.")
