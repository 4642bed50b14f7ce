"""Settings from the environment, read once at start; a process asks only for the classes it needs.

Every variable is named ``HOMEOSTAT_<prefix of the class>_<field>`` in capitals: ``S3Settings.endpoint`` is
``HOMEOSTAT_S3_ENDPOINT``. An empty variable counts as absent, so that whoever starts a process can name every variable.
"""

from enum import StrEnum
from typing import Self, TypeVar

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from homeostat.reconcile.errors import InvalidSettings


class Settings(BaseSettings):
    """What every class of settings has in common."""

    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True)


class AddressingStyle(StrEnum):
    """Where a request to S3 names its bucket."""

    AUTO = "Auto"
    PATH = "Path"
    VIRTUAL_HOST = "VirtualHost"


class Encryption(StrEnum):
    """Encryption by the object store of what is written."""

    NONE = "None"
    S3 = "AES256"
    KMS = "aws:kms"


class S3Settings(Settings):
    """The object store."""

    model_config = SettingsConfigDict(env_prefix="HOMEOSTAT_S3_")

    endpoint: str = Field(pattern=r"^https?://", description="http://host:port or https://host.")
    access_key: str = Field(
        "",
        description="Access key of the bucket. Without it and the secret key the identity of the pod is used: web identity "
        "token, container credentials, instance role, or AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY.",
    )
    secret_key: SecretStr = Field(
        SecretStr(""), description="Secret key of the bucket; given with the access key only."
    )
    session_token: SecretStr = Field(SecretStr(""), description="Session token of temporary keys.")
    bucket: str = Field("homeostat", description="Bucket of snapshots, datasets, models and runs.")
    region: str = Field(
        "us-east-1", min_length=1, description="Region of the bucket; servers without regions ignore it or name theirs."
    )
    addressing_style: AddressingStyle = Field(
        AddressingStyle.AUTO,
        description="Path: http://host/bucket/key, VirtualHost: http://bucket.host/key, Auto: VirtualHost for AWS only.",
    )
    ca_bundle: str = Field(
        "", description="Certificates in PEM form that sign the endpoint's own; empty: those of the system."
    )
    encryption: Encryption = Field(
        Encryption.NONE, description="Server-side encryption of what is written: None, AES256 or aws:kms."
    )
    kms_key: str = Field("", description="Key of the encryption aws:kms, as id or ARN.")

    @model_validator(mode="after")
    def _is_coherent(self) -> Self:
        if bool(self.access_key) != bool(self.secret_key.get_secret_value()):
            raise ValueError(
                "give HOMEOSTAT_S3_ACCESS_KEY and HOMEOSTAT_S3_SECRET_KEY together, or neither to use the pod's identity"
            )
        if (self.encryption is Encryption.KMS) != bool(self.kms_key):
            raise ValueError("give HOMEOSTAT_S3_KMS_KEY exactly with HOMEOSTAT_S3_ENCRYPTION aws:kms")
        if self.ca_bundle and "BEGIN CERTIFICATE" not in self.ca_bundle:
            raise ValueError("HOMEOSTAT_S3_CA_BUNDLE must hold certificates in PEM form, not the path of a file")
        return self


class OnlineStoreSettings(Settings):
    """The online feature store."""

    model_config = SettingsConfigDict(env_prefix="HOMEOSTAT_ONLINE_STORE_")

    url: str = Field(pattern=r"^rediss?://", description="redis://[:password@]host:port/database.")


class FeastSettings(Settings):
    """Feast's SQL registry."""

    model_config = SettingsConfigDict(env_prefix="HOMEOSTAT_FEAST_")

    registry_url: str = Field(description="An SQLAlchemy URL, for example postgresql+psycopg://….")


class PrometheusSettings(Settings):
    """Prometheus, or whatever speaks its query API."""

    model_config = SettingsConfigDict(env_prefix="HOMEOSTAT_PROMETHEUS_")

    url: str = Field(pattern=r"^https?://", description="Base of its query API, http://host:port.")


class MlflowSettings(Settings):
    """The model registry."""

    model_config = SettingsConfigDict(env_prefix="HOMEOSTAT_MLFLOW_")

    url: str = Field(pattern=r"^https?://", description="Base of its REST API, http://host:port.")


class ObserverSettings(Settings):
    """The observer service."""

    model_config = SettingsConfigDict(env_prefix="HOMEOSTAT_OBSERVER_")

    url: str = Field(pattern=r"^https?://", description="Base of its API, http://host:port.")


class GatewaySettings(Settings):
    """The gateway, as callers of models reach it."""

    model_config = SettingsConfigDict(env_prefix="HOMEOSTAT_GATEWAY_")

    url: str = Field(pattern=r"^https?://", description="Public base of status.url.")


class PipelinesSettings(Settings):
    """Runs."""

    model_config = SettingsConfigDict(env_prefix="HOMEOSTAT_PIPELINES_")

    image: str = Field(min_length=1, description="Container image of runs.")
    engine: str = Field("Local", description="Engine of TrainingJobs without spec.engine.")
    compiled: str = Field(
        min_length=1,
        description="Folder of the compiled pipelines; the image of the operators contains it and sets this.",
    )


class KubeflowSettings(Settings):
    """Kubeflow Pipelines, where the platform has it."""

    model_config = SettingsConfigDict(env_prefix="HOMEOSTAT_KUBEFLOW_")

    url: str = Field("", pattern=r"^(https?://.+)?$", description="Base of its REST API; empty: not installed.")
    ui_url: str = Field("", description="Base of its pages, for links; empty: no links.")
    namespace: str = Field("kubeflow", description="Namespace of its runs.")
    service_account: str = Field("pipeline-runner", description="ServiceAccount of its runs.")
    token_file: str = Field("", description="File with the bearer token to send, read again for every request.")


class ServingSettings(Settings):
    """Who keeps the pods of models running."""

    model_config = SettingsConfigDict(env_prefix="HOMEOSTAT_SERVING_")

    engine: str = Field("Deployment", description="Engine of ModelDeployments without spec.engine.")


class SeldonSettings(Settings):
    """Seldon Core, where the platform has it."""

    model_config = SettingsConfigDict(env_prefix="HOMEOSTAT_SELDON_")

    enabled: bool = Field(default=False, description="Whether its operator is installed.")
    ingress_url: str = Field(
        "",
        pattern=r"^(https?://.+)?$",
        description="Base of the Istio or Ambassador that it configures and that splits the traffic; empty: our gateway.",
    )


class KServeSettings(Settings):
    """KServe, where the platform has it."""

    model_config = SettingsConfigDict(env_prefix="HOMEOSTAT_KSERVE_")

    enabled: bool = Field(default=False, description="Whether its controller is installed.")


class ServicesSettings(Settings):
    """Predictors."""

    model_config = SettingsConfigDict(env_prefix="HOMEOSTAT_SERVICES_")

    image: str = Field(min_length=1, description="Container image of predictors.")


def variable(settings: type[BaseSettings], field: str) -> str:
    """Name of the environment variable of a field."""
    return f"{settings.model_config.get('env_prefix', '')}{field}".upper()


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
        lines = [_fault(settings, fault) for fault in error.errors()]
        raise InvalidSettings(f"wrong environment: {'; '.join(lines)}; set these variables") from None


def _fault(settings: type[BaseSettings], fault: ErrorDetails) -> str:
    """Variable, path within it, and what is wrong; a rule about several variables names them itself."""
    message = fault["msg"].removeprefix("Value error, ")
    if not fault["loc"]:
        return message
    name, path = variable(settings, str(fault["loc"][0])), ".".join(map(str, fault["loc"][1:]))
    return " ".join(filter(None, (name, path))) + f": {message}"
