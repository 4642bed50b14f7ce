"""The observation of a FeatureSet: facts without judgement."""

from dataclasses import dataclass

from homeostat.engines.runs import SeenRun
from homeostat.runs import MaterializeResult, RunFailure

PURPOSE = "materialize"
"""Purpose of a run that materialises."""


@dataclass(frozen=True)
class FeatureSetObservation:
    """Facts that the plan depends on.

    Attributes:
        bucket: Bucket of the platform.
        image: Container image of runs.
        job: Job with the name of the newest numbered run, whoever made it.
        jobs: All Jobs that carry our labels and belong to this object.
        result: What the newest run delivered, if it has ended.
        failure: Why it failed, if it said so.
    """

    bucket: str
    image: str
    job: SeenRun | None = None
    jobs: tuple[SeenRun, ...] = ()
    result: MaterializeResult | None = None
    failure: RunFailure | None = None
