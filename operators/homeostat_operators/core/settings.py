"""Settings of the operators, from their environment."""

from dataclasses import dataclass, field

from homeostat.api.v1alpha1.pods import PodOptions
from homeostat.pod_settings import (
    EVALUATION,
    MATERIALIZATION,
    PREDICTOR,
    TRAINING,
    NodePool,
    NodePoolSettings,
    PodSettings,
)
from homeostat.settings import (
    GatewaySettings,
    KServeSettings,
    PipelinesSettings,
    S3Settings,
    SeldonSettings,
    ServicesSettings,
    ServingSettings,
    load,
)


@dataclass(frozen=True)
class OperatorSettings:
    """Settings of the platform that observations and plans use.

    Attributes:
        bucket: Bucket of everything that the platform stores.
        pipelines_image: Container image of runs.
        services_image: Container image of predictors.
        gateway_url: Public base of ``status.url``, without a slash at its end.
        pipelines_engine: Engine of TrainingJobs without spec.engine.
        serving_engine: Engine of ModelDeployments without spec.engine.
        node_pools: Node pools by the name that users give.
        serving_engines: Serving engines that the platform has.
        seldon_ingress_url: Base of the ingress that Seldon Core configures; empty: Homeostat's gateway splits the traffic.
        materialization_pods: Defaults for the pods of materialisations.
        training_pods: Defaults for the pods of trainings.
        evaluation_pods: Defaults for the pods of evaluations.
        predictor_pods: Defaults for the pods of predictors.
    """

    bucket: str
    pipelines_image: str
    services_image: str
    gateway_url: str
    node_pools: dict[str, NodePool] = field(default_factory=dict)
    pipelines_engine: str = "Local"
    serving_engine: str = "Deployment"
    serving_engines: frozenset[str] = frozenset({"Deployment"})
    seldon_ingress_url: str = ""
    materialization_pods: PodOptions = MATERIALIZATION
    training_pods: PodOptions = TRAINING
    evaluation_pods: PodOptions = EVALUATION
    predictor_pods: PodOptions = PREDICTOR

    @classmethod
    def from_environment(cls) -> "OperatorSettings":
        """The settings of this process.

        Raises:
            InvalidSettings: A variable is missing or wrong.
        """
        pods = load(PodSettings)
        seldon, kserve = load(SeldonSettings), ["KServe"] if load(KServeSettings).enabled else []
        return cls(
            bucket=load(S3Settings).bucket,
            pipelines_image=load(PipelinesSettings).image,
            services_image=load(ServicesSettings).image,
            gateway_url=load(GatewaySettings).url.rstrip("/"),
            node_pools=load(NodePoolSettings).pools,
            pipelines_engine=load(PipelinesSettings).engine,
            serving_engine=load(ServingSettings).engine,
            serving_engines=frozenset({"Deployment", *(["Seldon"] if seldon.enabled else []), *kserve}),
            seldon_ingress_url=seldon.ingress_url,
            materialization_pods=pods.materialization,
            training_pods=pods.training,
            evaluation_pods=pods.evaluation,
            predictor_pods=pods.predictor,
        )
