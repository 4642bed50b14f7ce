"""What observations read and actions write through; made once at start, replaced by in-memory twins in tests."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from homeostat.cluster import ClusterAccess
from homeostat.engines.metrics import Metrics
from homeostat.engines.objects import ObjectStore
from homeostat.engines.outcomes import Outcomes
from homeostat.engines.registry import Registry
from homeostat.engines.runs import RunEngine
from homeostat_operators.core.settings import OperatorSettings


@dataclass(frozen=True)
class Clients:
    """Everything outside the process."""

    cluster: ClusterAccess
    objects: ObjectStore
    registry: Registry
    metrics: Metrics
    outcomes: Outcomes
    settings: OperatorSettings
    runs: Mapping[str, RunEngine] = field(default_factory=dict)
    """Engines of runs, by the name that a spec gives them; ``Local`` is always there."""
