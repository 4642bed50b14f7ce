"""Settings from the environment, read once at start; a process asks only for the classes it needs.

Every variable is named ``HOMEOSTAT_<prefix of the class>_<field>`` in capitals: ``S3Settings.endpoint`` is
``HOMEOSTAT_S3_ENDPOINT``.
"""

from typing import Any, TypeVar

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from homeostat.documents import StrictDocument
from homeostat.reconcile.errors import InvalidSettings


class S3Settings(BaseSettings):
    """The object store."""

    model_config = SettingsConfigDict(env_prefix="HOMEOSTAT_S3_", frozen=True)

    endpoint: str = Field(pattern=r"^https?://", description="http://host:port or https://host.")
    access_key: str = Field(min_length=1, description="Access key of the bucket.")
    secret_key: SecretStr = Field(description="Secret key of the bucket.")
    bucket: str = Field("homeostat", description="Bucket of snapshots, datasets, models and runs.")


class OnlineStoreSettings(BaseSettings):
    """The online feature store."""

    model_config = SettingsConfigDict(env_prefix="HOMEOSTAT_ONLINE_STORE_", frozen=True)

    url: str = Field(pattern=r"^rediss?://", description="redis://[:password@]host:port/database.")


class FeastSettings(BaseSettings):
    """Feast's SQL registry."""

    model_config = SettingsConfigDict(env_prefix="HOMEOSTAT_FEAST_", frozen=True)

    registry_url: str = Field(description="An SQLAlchemy URL, for example postgresql+psycopg://….")


class PrometheusSettings(BaseSettings):
    """Prometheus, or whatever speaks its query API."""

    model_config = SettingsConfigDict(env_prefix="HOMEOSTAT_PROMETHEUS_", frozen=True)

    url: str = Field(pattern=r"^https?://", description="Base of its query API, http://host:port.")


class MlflowSettings(BaseSettings):
    """The model registry."""

    model_config = SettingsConfigDict(env_prefix="HOMEOSTAT_MLFLOW_", frozen=True)

    url: str = Field(pattern=r"^https?://", description="Base of its REST API, http://host:port.")


class ObserverSettings(BaseSettings):
    """The observer service."""

    model_config = SettingsConfigDict(env_prefix="HOMEOSTAT_OBSERVER_", frozen=True)

    url: str = Field(pattern=r"^https?://", description="Base of its API, http://host:port.")


class GatewaySettings(BaseSettings):
    """The gateway, as callers of models reach it."""

    model_config = SettingsConfigDict(env_prefix="HOMEOSTAT_GATEWAY_", frozen=True)

    url: str = Field(pattern=r"^https?://", description="Public base of status.url.")


class PipelinesSettings(BaseSettings):
    """Runs."""

    model_config = SettingsConfigDict(env_prefix="HOMEOSTAT_PIPELINES_", frozen=True)

    image: str = Field(min_length=1, description="Container image of runs.")
    engine: str = Field("Local", description="Engine of trainings that name none.")
    compiled: str = Field("pipelines/compiled", description="Folder of the compiled pipelines.")


class KubeflowSettings(BaseSettings):
    """Kubeflow Pipelines, where the platform has it."""

    model_config = SettingsConfigDict(env_prefix="HOMEOSTAT_KUBEFLOW_", frozen=True)

    url: str = Field("", pattern=r"^(https?://.+)?$", description="Base of its REST API; empty: there is none.")
    ui_url: str = Field("", description="Base of its pages, for links; empty: no links.")
    namespace: str = Field("kubeflow", description="Namespace in which its runs are.")
    service_account: str = Field("pipeline-runner", description="ServiceAccount of its runs.")
    token_file: str = Field("", description="File with the bearer token to show, read anew for every request.")


class ServingSettings(BaseSettings):
    """Who keeps the pods of models running."""

    model_config = SettingsConfigDict(env_prefix="HOMEOSTAT_SERVING_", frozen=True)

    engine: str = Field("Deployment", description="Engine of ModelDeployments that name none.")


class SeldonSettings(BaseSettings):
    """Seldon Core, where the platform has it."""

    model_config = SettingsConfigDict(env_prefix="HOMEOSTAT_SELDON_", frozen=True)

    enabled: bool = Field(default=False, description="Its operator is there.")
    ingress_url: str = Field(
        "",
        pattern=r"^(https?://.+)?$",
        description="Base of the Istio or Ambassador that it configures and that splits the traffic; empty: our gateway.",
    )


class KServeSettings(BaseSettings):
    """KServe, where the platform has it."""

    model_config = SettingsConfigDict(env_prefix="HOMEOSTAT_KSERVE_", frozen=True)

    enabled: bool = Field(default=False, description="Its controller is there.")


class ServicesSettings(BaseSettings):
    """Predictors."""

    model_config = SettingsConfigDict(env_prefix="HOMEOSTAT_SERVICES_", frozen=True)

    image: str = Field(min_length=1, description="Container image of predictors.")


class NodePool(StrictDocument):
    """Nodes of one sort: how pods get there, and what their accelerators are called."""

    node_selector: dict[str, str] = Field(default_factory=dict)
    tolerations: list[dict[str, Any]] = Field(default_factory=list)
    resource_name: str = "nvidia.com/gpu"


class NodePoolSettings(BaseSettings):
    """Node pools by the name that users give."""

    model_config = SettingsConfigDict(env_prefix="HOMEOSTAT_NODE_", frozen=True)

    pools: dict[str, NodePool] = Field(default_factory=dict, description="JSON, by name.")


SettingsT = TypeVar("SettingsT", bound=BaseSettings)


def load(settings: type[SettingsT]) -> SettingsT:
    """Settings of one class from the environment.

    Raises:
        InvalidSettings: A variable is missing or wrong; the text names each one, and never shows a value.
    """
    prefix = settings.model_config.get("env_prefix", "")
    try:
        return settings()
    except SettingsError as error:
        raise InvalidSettings(f"wrong environment: a variable {prefix}…: {error}; write JSON") from None
    except ValidationError as error:
        wrong = [(f"{prefix}{e['loc'][0]}".upper(), ".".join(map(str, e["loc"][1:])), e["msg"]) for e in error.errors()]
        lines = [" ".join(filter(None, (variable, path))) + f": {message}" for variable, path, message in wrong]
        raise InvalidSettings(f"wrong environment: {'; '.join(lines)}; set these variables") from None
