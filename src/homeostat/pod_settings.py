"""Settings of the pods that the operators create; apart from the other settings, because they need the types of the API."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from homeostat.api.v1alpha1.pods import LabelValue, PodOptions, PodSpec, PodTemplate, Resources, Toleration
from homeostat.documents import StrictDocument
from homeostat.settings import Settings

GPU = "nvidia.com/gpu"
"""Resource name of an accelerator, where no node pool gives another one."""


class NodePool(StrictDocument):
    """Nodes of one sort: how pods get there, and what their accelerators are called."""

    node_selector: dict[str, LabelValue] = Field(default_factory=dict)
    tolerations: list[Toleration] = Field(default_factory=list)
    resource_name: str = GPU

    @property
    def pod_template(self) -> PodTemplate:
        """What brings pods to these nodes."""
        return PodTemplate(spec=PodSpec(node_selector=self.node_selector, tolerations=self.tolerations))


class NodePoolSettings(Settings):
    """Node pools by the name that users give."""

    model_config = SettingsConfigDict(env_prefix="HOMEOSTAT_NODE_")

    pools: dict[str, NodePool] = Field(default_factory=dict, description="JSON, by name.")


def _options(requests: dict[str, str], limits: dict[str, str]) -> PodOptions:
    return PodOptions(resources=Resources(requests=requests, limits=limits))


MATERIALIZATION = _options({"cpu": "100m", "memory": "384Mi"}, {"memory": "2Gi"})
TRAINING = _options({"cpu": "250m", "memory": "512Mi"}, {"memory": "2Gi"})
EVALUATION = _options({"cpu": "100m", "memory": "512Mi"}, {"cpu": "1", "memory": "2Gi"})
PREDICTOR = _options({"cpu": "50m", "memory": "192Mi"}, {"cpu": "1", "memory": "512Mi"})
"""Defaults, which the values of the chart repeat."""


class PodSettings(Settings):
    """Pods that the operators create: what applies where an object gives nothing of its own."""

    model_config = SettingsConfigDict(env_prefix="HOMEOSTAT_PODS_")

    materialization: PodOptions = Field(
        MATERIALIZATION,
        description="JSON: resources and podTemplate of the runs of FeatureSets.",
    )
    training: PodOptions = Field(
        TRAINING,
        description="JSON: resources and podTemplate of the runs of TrainingJobs.",
    )
    evaluation: PodOptions = Field(
        EVALUATION,
        description="JSON: resources and podTemplate of the runs that evaluate candidates.",
    )
    predictor: PodOptions = Field(
        PREDICTOR,
        description="JSON: resources and podTemplate of predictors.",
    )
