"""The whole loop of one namespace, as far as a caller may list it."""

from dataclasses import dataclass, field

from homeostat.api.v1alpha1 import KINDS, FeatureSet, ModelDeployment, Monitor, TrainingJob
from homeostat.cluster import Manifest
from homeostat.views.card import Card
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

    sets = [FeatureSet.model_validate(o) for o in objects("featuresets")]
    jobs = [TrainingJob.model_validate(o) for o in objects("trainingjobs")]
    deployments = [ModelDeployment.model_validate(o) for o in objects("modeldeployments")]
    monitors = [Monitor.model_validate(o) for o in objects("monitors")]
    cards = {
        "featuresets": tuple(feature_set_card(o) for o in sets),
        "trainingjobs": tuple(training_job_card(o) for o in reversed(jobs)),
        "modeldeployments": tuple(model_deployment_card(o) for o in deployments),
        "monitors": tuple(monitor_card(o) for o in monitors),
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
