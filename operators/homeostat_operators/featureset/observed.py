"""The observation of a FeatureSet: facts without judgement."""

from dataclasses import dataclass, field

from homeostat.api.v1alpha1.pods import PodOptions
from homeostat.pod_settings import MATERIALIZATION
from homeostat.runs import MaterializeResult
from homeostat_operators.core.runs import RunObservation


@dataclass(frozen=True)
class FeatureSetObservation:
    """Facts that the plan depends on.

    Attributes:
        bucket: Bucket of the platform.
        image: Container image of runs.
        runs: Materialisations, and what the newest one left behind.
        pods: The platform's defaults for the pods of materialisations.
    """

    bucket: str
    image: str
    runs: RunObservation[MaterializeResult] = field(default_factory=RunObservation)
    pods: PodOptions = MATERIALIZATION
