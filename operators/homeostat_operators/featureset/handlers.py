"""The FeatureSet operator as the loop runs it."""

from homeostat.api.v1alpha1.featureset import FeatureSet
from homeostat_operators.featureset.observe import Observed, observe
from homeostat_operators.featureset.plan import plan
from homeostat_operators.loop import Operator

OPERATOR: Operator[FeatureSet, Observed] = Operator(
    resource=FeatureSet, observe=observe, plan=plan, children=(("batch/v1", "jobs"),)
)
