"""The FeatureSet operator as the loop runs it."""

from homeostat.api.v1alpha1.featureset import FeatureSet
from homeostat_operators.core.loop import Operator
from homeostat_operators.featureset.observe import observe
from homeostat_operators.featureset.observed import FeatureSetObservation
from homeostat_operators.featureset.plan import plan

OPERATOR: Operator[FeatureSet, FeatureSetObservation] = Operator(
    resource=FeatureSet, observe=observe, plan=plan, children=(("batch/v1", "jobs"),)
)
