"""Which serving engine a ModelDeployment uses; pure."""

from collections.abc import Collection

from homeostat.api.v1alpha1.modeldeployment import ModelDeployment
from homeostat.engines.serving import ServingEngine
from homeostat.engines.serving.table import serving_engine
from homeostat.reconcile.errors import InvalidSpec
from homeostat_operators.modeldeployment.observed import ModelDeploymentObservation


def engine_name(resource: ModelDeployment, default: str, installed: Collection[str]) -> str:
    """Name of the engine.

    The first choice stays: a new default of the platform moves nothing that serves.

    Args:
        resource: The ModelDeployment.
        default: The platform's engine for a spec that names none.
        installed: Names of the engines that the platform has.

    Raises:
        InvalidSpec: The engine is not installed.
    """
    requested = resource.spec.engine.value if resource.spec.engine else default
    name = resource.status.engine or requested
    if name not in installed:
        choices = ", ".join(sorted(installed))
        raise InvalidSpec(f"spec.engine {name!r} is not installed here; use one of {choices}")
    return name


def engine_of(observed: ModelDeploymentObservation) -> ServingEngine:
    """The engine whose name was observed."""
    return serving_engine(observed.engine, observed.installation.seldon_ingress_url)
