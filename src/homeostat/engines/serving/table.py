"""The serving engines by name.

They are pure, so a plan builds one from the name that an observation holds, and an observation stays plain data.
"""

from homeostat.engines.serving import ServingEngine
from homeostat.engines.serving.deployment import DeploymentServing
from homeostat.engines.serving.kserve import KServeServing
from homeostat.engines.serving.seldon import SeldonServing
from homeostat.settings import SeldonSettings


def serving_engine(name: str, seldon_ingress_url: str = "") -> ServingEngine:
    """The engine of a name that ``spec.engine`` allows.

    Args:
        name: Deployment, Seldon or KServe.
        seldon_ingress_url: Base of the ingress that Seldon Core configures; empty: Homeostat's gateway splits the traffic.

    Raises:
        ValueError: No engine has this name.
    """
    match name:
        case DeploymentServing.name:
            return DeploymentServing()
        case KServeServing.name:
            return KServeServing()
        case SeldonServing.name:
            return SeldonServing(SeldonSettings(ingress_url=seldon_ingress_url))
        case _:
            raise ValueError(f"serving engine {name!r} is unknown")
