"""The observation of a ModelDeployment: facts without judgement."""

from dataclasses import dataclass, field
from datetime import datetime

from homeostat.api.v1alpha1.pods import PodOptions
from homeostat.artifacts.bundle import BundleRef
from homeostat.engines.serving import Child, Serving
from homeostat.pod_settings import EVALUATION, PREDICTOR
from homeostat.reconcile.stored import Unreadable
from homeostat.runs import EvaluateResult, FeatureSource
from homeostat.signals.shadow import ShadowComparison
from homeostat.tasks import UNNAMED
from homeostat_operators.core.runs import RunObservation


@dataclass(frozen=True)
class Available:
    """A version that a succeeded TrainingJob recorded; only its word counts, not a registry's."""

    version: str
    digest: str
    uri: str
    training_job: str
    feature_sets: tuple[str, ...]
    """Those that it was trained on; Lookup reads the first."""
    dataset: BundleRef
    task: str = UNNAMED.name
    """What it predicts, by the name of its task."""
    completed: datetime | None = None
    """When the TrainingJob completed; None in an observation recorded before v0.2.0."""


@dataclass(frozen=True)
class Answered:
    """Requests that a version answered."""

    requests: float = 0
    errors: float = 0
    """Those answered with 5xx."""

    @property
    def rate(self) -> float:
        """Share of the errors; 0 without requests."""
        return self.errors / self.requests if self.requests else 0.0


@dataclass(frozen=True)
class StepTraffic(Answered):
    """Requests that the candidate answered on the present step, and the champion in the same time."""

    champion: Answered = Answered()


@dataclass(frozen=True)
class Installation:
    """Settings of the platform that children are made with."""

    bucket: str
    services_image: str
    pipelines_image: str
    gateway_url: str
    seldon_ingress_url: str = ""
    """Base of the ingress that Seldon Core configures; empty: Homeostat's gateway splits the traffic."""
    evaluation_pods: PodOptions = EVALUATION
    predictor_pods: PodOptions = PREDICTOR
    """The platform's defaults for the pods of evaluations, and of predictors."""


@dataclass(frozen=True)
class ModelDeploymentObservation:
    """Facts that the plan depends on."""

    installation: Installation
    engine: str = "Deployment"
    """Name of the serving engine."""
    versions: tuple[Available, ...] = ()
    servings: dict[str, Serving] = field(default_factory=dict)
    children: tuple[Child, ...] = ()
    new_inputs: tuple[str, ...] | None = None
    """Inputs that callers send to the candidate and not to the champion; None: not looked up, or the object store is down."""
    champion_sources: tuple[FeatureSource, ...] = ()
    """Materialised FeatureSets of the champion, unless a version is past the gate."""
    evaluation: RunObservation[EvaluateResult] = field(default_factory=RunObservation)
    """Evaluations, and what the one that the candidate waits for left behind."""
    step: StepTraffic | None = None
    """None: not on a step, or Prometheus does not answer."""
    shadow: ShadowComparison | None = None
    """None: not on a shadow step, or the observer does not answer."""
    champion_alias: str | None = None
    registry_answers: bool = False
    registered: dict[str, str | None] = field(default_factory=dict)
    """Digest that the registry has for a version, None where it has no such version; only of versions that were looked up."""
    unreadable: tuple[Unreadable, ...] = ()
    """TrainingJobs of the model, and FeatureSets of the champion, that this release cannot read."""

    def numbered(self, version: str) -> tuple[Available, ...]:
        """The versions of that number; several where a registry counted anew."""
        return tuple(one for one in self.versions if one.version == version)

    def available(self, version: str, digest: str) -> Available | None:
        """The version of that number with these files."""
        return next((one for one in self.numbered(version) if one.digest == digest), None)
