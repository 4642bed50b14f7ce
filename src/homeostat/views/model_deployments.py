"""ModelDeployments: the card, and who answers the requests."""

from dataclasses import dataclass

from homeostat.api.v1alpha1 import ModelDeployment
from homeostat.api.v1alpha1.gate import GateRecord
from homeostat.api.v1alpha1.modeldeployment import HistoryEntry
from homeostat.views.card import Card, condition_of, facts_of


@dataclass(frozen=True)
class ShareView:
    """A version's part of the requests: percentages that it answers, and that it gets a copy of."""

    version: str
    role: str
    weight: int
    mirror: int


@dataclass(frozen=True)
class RolloutView:
    """Who answers the requests of one deployment, and what the gate said."""

    name: str
    url: str
    shares: tuple[ShareView, ...]
    steps: str
    shadow: str
    gate: GateRecord | None
    history: tuple[HistoryEntry, ...]


def model_deployment_card(o: ModelDeployment) -> Card:
    """Its stable version and candidate, and how it is served."""
    tone, state, message = condition_of(o)
    stable, candidate = o.status.stable, o.status.candidate
    facts = facts_of(
        ("Stable", stable and f"v{stable.version}"),
        ("Candidate", candidate and " with ".join(filter(None, (f"v{candidate.version}", candidate.share)))),
        ("Ready pods", o.status.replicas),
        ("Features", o.spec.realtime.features.value),
        ("Engine", o.status.engine),
    )
    return Card(o.metadata.name, tone, state, message, facts)


def rollout_view(o: ModelDeployment) -> RolloutView:
    """Shares of the versions, the step at hand, the gate and the last five rollouts."""
    stable, candidate = o.status.stable, o.status.candidate
    roles = {stable.version: "stable"} if stable else {}
    if candidate:
        roles[candidate.version] = "candidate"
    shares = tuple(ShareView(t.version, roles.get(t.version, "draining"), t.weight, t.mirror) for t in o.status.traffic)
    steps = o.spec.rollout.steps
    step = ""
    if candidate and candidate.share and candidate.step < len(steps):
        now = steps[candidate.step]
        place = f"Step {candidate.step + 1} of {len(steps)}"
        step = f"{place}: v{candidate.version} answers {candidate.share} for {now.min_duration}, at least {now.min_requests}"
    shadow = candidate.shadow.message if candidate and candidate.shadow else ""
    return RolloutView(o.metadata.name, o.status.url, shares, step, shadow, o.status.gate, tuple(o.status.history[:5]))
