"""The TrainingJob operator as the loop runs it."""

from homeostat.api.v1alpha1.trainingjob import SUCCEEDED, TrainingJob
from homeostat_operators.core.loop import Operator
from homeostat_operators.trainingjob.observe import observe
from homeostat_operators.trainingjob.observed import TrainingJobObservation
from homeostat_operators.trainingjob.plan import plan, refused
from homeostat_operators.trainingjob.sweep import sweep

OPERATOR: Operator[TrainingJob, TrainingJobObservation] = Operator(
    resource=TrainingJob,
    observe=observe,
    plan=plan,
    children=(("batch/v1", "jobs"),),
    terminal_conditions=(SUCCEEDED,),
    refused=refused,
    sweep=sweep,
)
