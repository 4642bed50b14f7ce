"""The observation of a Monitor: facts without judgement."""

from dataclasses import dataclass, field
from datetime import datetime

from homeostat.api.v1alpha1.modeldeployment import ModelDeployment
from homeostat.api.v1alpha1.trainingjob import TrainingJob
from homeostat.artifacts.outcomes import LabelGain
from homeostat.reconcile.stored import Unreadable
from homeostat.signals import Baseline, Moments, Window
from homeostat.tasks import AnyCohort


@dataclass(frozen=True)
class DriftWindow:
    """Counts of one window by feature: bin label to rows, in each sub-window."""

    window: Window
    baseline: Baseline
    counts: dict[str, list[dict[str, float]]]
    gap: str = ""
    """Why the counts cannot be trusted; empty when they can."""
    moments: dict[str, Moments] = field(default_factory=dict)
    """Sums of the numeric features' distances from their means in training."""
    new_values: dict[str, dict[str, float]] = field(default_factory=dict)
    """Rows by value, of the frequent categories that training has not seen, by feature."""

    @property
    def idle(self) -> bool:
        """Whether the counters are there, and none of them rose."""
        counted = [part for parts in self.counts.values() for part in parts]
        return bool(counted) and not any(rows for part in counted for rows in part.values())


@dataclass(frozen=True)
class CohortWindow:
    """Predictions of one window and their outcomes."""

    window: Window
    cohort: AnyCohort


@dataclass(frozen=True)
class ValueWindow:
    """A business number at the end of one window."""

    window: Window
    value: float | None


WindowData = DriftWindow | CohortWindow | ValueWindow


@dataclass(frozen=True)
class SignalData:
    """What was read for one signal in this reconciliation."""

    windows: tuple[WindowData, ...] = ()
    """Windows that are due and not yet judged, oldest first."""
    skipped: int = 0
    """Older windows left out, because too many were missed."""
    unavailable: str = ""
    """Which engine did not answer; windows that could not be read are judged when it is back."""
    mistaken: bool = False
    """It did answer, but refused what the spec asks of it; the same windows are judged once that is corrected."""
    damaged: bool = False
    """A file of the model in service is gone or is not what was stored under its digest."""


@dataclass(frozen=True)
class LabelCount:
    """What outcomes of predictions made since the beginning of a breach add to the template's training."""

    since: datetime
    gain: LabelGain


@dataclass(frozen=True)
class MonitorObservation:
    """Facts that the plan depends on."""

    deployment: ModelDeployment | None = None
    signals: dict[str, SignalData] = field(default_factory=dict)
    jobs: tuple[TrainingJob, ...] = ()
    """Every TrainingJob of the namespace that can be read."""
    materialized: dict[str, datetime | None] = field(default_factory=dict)
    """Through which time each FeatureSet is materialised; absent when there is no such FeatureSet."""
    renewals: dict[str, str] = field(default_factory=dict)
    """What leads to the next run of each of these FeatureSets."""
    stale: tuple[str, ...] = ()
    """FeatureSets that serve the deployment and are not fresh."""
    labels: LabelCount | None = None
    outages: tuple[str, ...] = ()
    """Engines that did not answer, as sentences."""
    mistakes: tuple[str, ...] = ()
    """What engines refused of the spec, as sentences."""
    damages: tuple[str, ...] = ()
    """Files of the model in service that are gone or changed, as sentences."""
    unreadable: tuple[Unreadable, ...] = ()
    """TrainingJobs and FeatureSets of the namespace that this release cannot read."""

    def job(self, name: str) -> TrainingJob | None:
        """The TrainingJob of that name."""
        return next((job for job in self.jobs if job.metadata.name == name), None)


def is_finished(job: TrainingJob) -> bool:
    """Whether a TrainingJob has succeeded, or failed for good."""
    return job.status.completion_time is not None


def maker_of(job: TrainingJob) -> str:
    """Uid of the object that asked for the TrainingJob; empty: a person did."""
    return job.spec.trigger.ref.uid if job.spec.trigger.ref is not None else ""


def is_own(job: TrainingJob, monitor_uid: str) -> bool:
    """Whether the Monitor of that uid asked for the TrainingJob."""
    return maker_of(job) == monitor_uid
