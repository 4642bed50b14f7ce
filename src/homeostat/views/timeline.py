"""What happened: Events, decisions of Monitors and ended rollouts, newest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from homeostat.api.v1alpha1 import ModelDeployment, Monitor
from homeostat.cluster import Manifest
from homeostat.views.card import BAD, GOOD, IDLE
from homeostat.views.monitors import decision_view

TIMELINE = 40


@dataclass(frozen=True)
class Moment:
    """One line of the timeline."""

    time: datetime
    kind: str
    name: str
    title: str
    text: str
    tone: str
    count: int = 1


def timeline_of(
    events: Sequence[Manifest],
    namespace: str,
    kinds: set[str],
    monitors: Sequence[Monitor],
    deployments: Sequence[ModelDeployment],
) -> tuple[Moment, ...]:
    """The newest moments of a namespace, of the kinds that may be shown."""
    moments = [_event(e) for e in events if _concerns(e, namespace, kinds)]
    for monitor in monitors:
        if decision := monitor.status.last_decision:
            title = f"{decision.cause} → {decision.action}"
            tone = decision_view(monitor).tone
            moments.append(Moment(decision.time, "Monitor", monitor.metadata.name, title, decision.message, tone))
    for deployment in deployments:
        for entry in deployment.status.history:
            tone = GOOD if entry.outcome == "Promoted" else BAD
            title = f"v{entry.version} {entry.outcome}"
            moments.append(Moment(entry.time, "ModelDeployment", deployment.metadata.name, title, entry.message, tone))
    return tuple(sorted(moments, key=lambda m: m.time, reverse=True)[:TIMELINE])


def _concerns(event: Manifest, namespace: str, kinds: set[str]) -> bool:
    return event["metadata"]["namespace"] == namespace and event["involvedObject"].get("kind") in kinds


def _event(event: Manifest) -> Moment:
    times = (event.get("lastTimestamp"), event.get("eventTime"), event["metadata"].get("creationTimestamp"))
    time = datetime.fromisoformat(next(t for t in times if t))
    tone = BAD if event.get("type") == "Warning" else IDLE
    about = event["involvedObject"]
    text = event.get("message", "")
    return Moment(time, about["kind"], about["name"], event.get("reason", ""), text, tone, event.get("count") or 1)
