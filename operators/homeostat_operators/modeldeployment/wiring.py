"""The ModelDeployment operator as the loop runs it."""

from homeostat.api.v1alpha1.modeldeployment import ModelDeployment
from homeostat_operators.core.loop import Operator
from homeostat_operators.modeldeployment.observe import observe
from homeostat_operators.modeldeployment.observed import ModelDeploymentObservation
from homeostat_operators.modeldeployment.plan import plan

OPERATOR: Operator[ModelDeployment, ModelDeploymentObservation] = Operator(
    resource=ModelDeployment,
    observe=observe,
    plan=plan,
    children=(
        ("apps/v1", "deployments"),
        ("v1", "services"),
        ("v1", "pods"),
        ("policy/v1", "poddisruptionbudgets"),
        ("batch/v1", "jobs"),
    ),
)
