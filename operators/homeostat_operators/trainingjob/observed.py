"""The observation of a TrainingJob: facts without judgement."""

from dataclasses import dataclass, field

from homeostat.api.v1alpha1 import FeatureSet
from homeostat.api.v1alpha1.pods import PodOptions
from homeostat.engines.runs.packages import Package
from homeostat.pod_settings import TRAINING, NodePool
from homeostat.reconcile.errors import InvalidSpec, ObjectNotFound, PlatformError
from homeostat.reconcile.stored import Unreadable
from homeostat.runs import TrainResult
from homeostat_operators.core.runs import RunObservation


@dataclass(frozen=True)
class PackageFailure:
    """Why a pipeline cannot be read.

    Attributes:
        message: Field, value and remedy, for the user.
        missing: It is not there yet, so it is awaited; otherwise the spec is wrong.
    """

    message: str
    missing: bool = False

    def error(self) -> PlatformError:
        """The same as an error: ObjectNotFound or InvalidSpec."""
        return ObjectNotFound(self.message) if self.missing else InvalidSpec(self.message)


@dataclass(frozen=True)
class TrainingJobObservation:
    """Facts that the plan depends on.

    Attributes:
        bucket: Bucket of the platform.
        image: Container image of runs.
        engine: Engine of the current attempt, or of the next.
        engines: Engines that the platform has.
        pools: Node pools by name.
        pods: The platform's defaults for the pods of trainings.
        package: The pipeline; None where nothing is to be launched, or where it cannot be read.
        package_failure: Why it cannot be read.
        features: The FeatureSets that are joined, by name; None for one that does not exist or cannot be read.
        unreadable: Those that this release cannot read.
        deployments: Names of the ModelDeployments that exist, of those whose outcomes are labels.
        attempts: Runs of the attempts, and what the current one left behind.
        version: Version in the registry that was made for this object.
    """

    bucket: str
    image: str
    engine: str = "Local"
    engines: frozenset[str] = frozenset({"Local"})
    pools: dict[str, NodePool] = field(default_factory=dict)
    pods: PodOptions = TRAINING
    package: Package | None = None
    package_failure: PackageFailure | None = None
    features: dict[str, FeatureSet | None] = field(default_factory=dict)
    deployments: frozenset[str] = frozenset()
    attempts: RunObservation[TrainResult] = field(default_factory=RunObservation)
    version: str | None = None
    unreadable: tuple[Unreadable, ...] = ()
