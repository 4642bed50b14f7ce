"""Settings of a predictor; the ModelDeployment's operator writes them into its pods."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from homeostat.enums import FeatureMode
from homeostat.settings import Settings


class PredictorSettings(Settings):
    """What one predictor serves, as `HOMEOSTAT_<NAME>`; its operator sets them."""

    model_config = SettingsConfigDict(env_prefix="HOMEOSTAT_", protected_namespaces=())

    namespace: str = Field(description="Namespace of the ModelDeployment.")
    deployment: str = Field(description="Name of the ModelDeployment.")
    version: str = Field(description="Version of the model in the registry.")
    model_uri: str = Field(description="Folder of the model's files, s3://bucket/prefix.")
    model_digest: str = Field(pattern=r"^sha256:[0-9a-f]{64}$", description="Digest of the folder's manifest.json.")
    features: FeatureMode = Field(FeatureMode.REQUEST, description="Where the features of a request come from.")
    entity_field: str = Field("", description="Input that names the entity; empty: as in the model's signature.")
    payload_percent: int = Field(100, ge=0, le=100, description="Share of predictions that are logged.")
