"""What the plan of a ModelDeployment looks at: facts without judgement."""

from dataclasses import dataclass, field
from datetime import timedelta

from homeostat.runs import StoredModel
from homeostat.signals.gate import GateReport


@dataclass(frozen=True)
class Available:
    """A version that a succeeded TrainingJob recorded; only its word counts, not a registry's."""

    version: str
    digest: str
    uri: str
    training_job: str
    feature_set: str
    dataset: StoredModel


@dataclass(frozen=True)
class Child:
    """An object in the cluster that serves one version."""

    api_version: str
    kind: str
    name: str
    uid: str
    version: str


@dataclass(frozen=True)
class Serving:
    """The pods of one version."""

    desired: int
    ready: int
    current: bool
    """All desired pods run the newest template and none of an older one is left."""
    has_service: bool
    trouble: str = ""
    """What its pods complain about: image, crash, probe, scheduling."""

    @property
    def complete(self) -> bool:
        """Whether traffic may come, and a canary may go on."""
        return self.has_service and self.current and self.ready >= self.desired > 0


@dataclass(frozen=True)
class Evaluation:
    """The evaluate Job that the candidate waits for."""

    number: int
    exists: bool
    failure: str = ""
    report: GateReport | None = None
    outage: str = ""
    """Why its result cannot be read just now."""


@dataclass(frozen=True)
class StepTraffic:
    """Requests that the candidate answered on the present step."""

    requests: float
    errors: float
    """Those answered with 5xx."""


@dataclass(frozen=True)
class Installation:
    """Settings of the platform that children are made with."""

    bucket: str
    services_image: str
    pipelines_image: str
    gateway_url: str


@dataclass(frozen=True)
class Observed:
    """The world around one ModelDeployment."""

    installation: Installation
    versions: tuple[Available, ...] = ()
    servings: dict[str, Serving] = field(default_factory=dict)
    children: tuple[Child, ...] = ()
    evaluation: Evaluation | None = None
    highest_evaluation: int = 0
    """Largest number of any evaluate Job of this object."""
    step: StepTraffic | None = None
    """None: not on a step, or Prometheus does not answer."""
    champion_alias: str | None = None
    registry_answers: bool = False

    def available(self, version: str) -> Available | None:
        """The version of that number."""
        return next((one for one in self.versions if one.version == version), None)


DRAIN = timedelta(seconds=15)
"""How long a version keeps its pods after its last request was routed to it."""
