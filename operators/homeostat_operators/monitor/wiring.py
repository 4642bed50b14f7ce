"""The Monitor operator as the loop runs it."""

from homeostat.api.v1alpha1.monitor import Monitor
from homeostat_operators.core.loop import Operator
from homeostat_operators.monitor.observe import observe
from homeostat_operators.monitor.observed import MonitorObservation
from homeostat_operators.monitor.plan import plan

# Its TrainingJobs are no children: the loop's mapping of dependents queues it when they change.
OPERATOR: Operator[Monitor, MonitorObservation] = Operator(resource=Monitor, observe=observe, plan=plan)
