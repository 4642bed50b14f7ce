"""Settings of the router, from the environment."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from homeostat.settings import Settings


class RouterSettings(Settings):
    """Where the router looks, as `HOMEOSTAT_<NAME>`."""

    model_config = SettingsConfigDict(env_prefix="HOMEOSTAT_")

    release_namespace: str = Field("homeostat-system", description="Where the platform's own pods are.")
