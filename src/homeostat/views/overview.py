"""The whole loop of one namespace, as far as a caller may list it."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from homeostat.api.v1alpha1 import KINDS, FeatureSet, ModelDeployment, Monitor, TrainingJob
from homeostat.cluster import Manifest
from homeostat.reconcile.stored import Unreadable, read_all
from homeostat.views.card import Card, unreadable_card
from homeostat.views.feature_sets import feature_set_card
from homeostat.views.model_deployments import RolloutView, model_deployment_card, rollout_view
from homeostat.views.monitors import DecisionView, SignalView, Windows, decision_view, monitor_card, signal_views
from homeostat.views.snapshot import Snapshot
from homeostat.views.timeline import Moment, timeline_of
from homeostat.views.training_jobs import training_job_card

EMPTY = {
    "featuresets": "No FeatureSet yet. Apply one that names your Parquet files: kubectl apply -f featureset.yaml",
    "trainingjobs": "No TrainingJob yet. Apply one, or POST /api/v1/trainingjobs.",
    "modeldeployments": "No ModelDeployment yet. Apply one that follows the model your TrainingJobs produce.",
    "monitors": "No Monitor yet. Apply one that defines when your ModelDeployment needs attention.",
}
TITLES = {
    "featuresets": "Features",
    "trainingjobs": "Training",
    "modeldeployments": "Serving",
    "monitors": "Monitoring",
}


@dataclass(frozen=True)
class Stage:
    """One station of the loop."""

    kind: str
    plural: str
    title: str
    empty: str
    cards: tuple[Card, ...]
    visible: bool = True


@dataclass(frozen=True)
class Overview:
    """What is shown of the loop."""

    namespace: str
    stages: tuple[Stage, ...] = ()
    decisions: tuple[DecisionView, ...] = ()
    signals: tuple[SignalView, ...] = ()
    rollouts: tuple[RolloutView, ...] = ()
    timeline: tuple[Moment, ...] = ()
    hidden: tuple[str, ...] = field(default=())


def overview(snapshot: Snapshot, namespace: str, allowed: frozenset[str], windows: Windows | None = None) -> Overview:
    """What a caller who may list the `allowed` plurals sees of a namespace."""

    def objects(plural: str) -> list[Manifest]:
        return snapshot.of(plural, namespace) if plural in allowed else []

    sets, lost_sets = read_all(FeatureSet, objects("featuresets"))
    jobs, lost_jobs = read_all(TrainingJob, objects("trainingjobs"))
    deployments, lost_deployments = read_all(ModelDeployment, objects("modeldeployments"))
    monitors, lost_monitors = read_all(Monitor, objects("monitors"))
    cards = {
        "featuresets": _cards(lost_sets, (feature_set_card(o) for o in sets)),
        "trainingjobs": _cards(lost_jobs, (training_job_card(o) for o in reversed(jobs))),
        "modeldeployments": _cards(lost_deployments, (model_deployment_card(o) for o in deployments)),
        "monitors": _cards(lost_monitors, (monitor_card(o) for o in monitors)),
    }
    kinds = {kind.PLURAL: kind.KIND for kind in KINDS}
    return Overview(
        namespace=namespace,
        stages=tuple(
            Stage(kinds[plural], plural, TITLES[plural], EMPTY[plural], cards[plural], plural in allowed)
            for plural in cards
        ),
        decisions=tuple(decision_view(o) for o in monitors),
        signals=tuple(view for o in monitors for view in signal_views(o, windows or {})),
        rollouts=tuple(rollout_view(o) for o in deployments),
        timeline=timeline_of(snapshot.events, namespace, {kinds[plural] for plural in allowed}, monitors, deployments),
        hidden=tuple(kinds[plural] for plural in cards if plural not in allowed),
    )


def _cards(unreadable: Iterable[Unreadable], readable: Iterable[Card]) -> tuple[Card, ...]:
    """Those that somebody must look at come first."""
    return (*map(unreadable_card, unreadable), *readable)
