"""The Local engine: the steps of a pipeline that ships with the platform, one after the other in this process.

Kubeflow gives each step a pod. Here they share one process, and so its imports: those took more CPU time than the steps.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from homeostat.engines.objects import ObjectStore
from homeostat.engines.runs.packages import Package, bundled
from homeostat.engines.runs.parameters import RESERVED, arguments
from homeostat.runs import TrainInput
from homeostat_pipelines import steps

_IN_WHEEL, _IN_CHECKOUT = Path(__file__).parent / "compiled", Path(__file__).parents[1] / "compiled"
COMPILED = _IN_WHEEL if _IN_WHEEL.is_dir() else _IN_CHECKOUT
"""Folder of the packages that ship with the platform."""


def run(job: TrainInput, objects: ObjectStore) -> None:
    """Runs the pipeline that the job names; its last step writes the result, a failing one the failure.

    Raises:
        InvalidData: The data cannot make a model.
        InvalidSpec: The pipeline or one of its parameters is unknown.
        PlatformError: A step failed.
    """
    chosen = bundled(COMPILED, job.pipeline)
    parameters = {**_defaults(chosen), **arguments(chosen.declared, job.parameters)}
    PIPELINES[chosen.name](job, parameters, chosen.digest, objects)


def _defaults(chosen: Package) -> dict[str, object]:
    """Default values that the package declares."""
    declared = chosen.declared.items()
    return {name: one["defaultValue"] for name, one in declared if "defaultValue" in one and name not in RESERVED}


def _tabular(job: TrainInput, parameters: Mapping[str, object], digest: str, objects: ObjectStore) -> None:
    """The steps of `pipeline.tabular`, without KFP."""
    text = job.model_dump_json(by_alias=True)
    started = time.time()
    dataset = steps.build_dataset(text, objects)
    model = steps.train(text, dataset, dict(parameters), objects)
    steps.assess(text, dataset, model, digest, started, objects=objects)


PIPELINES: dict[str, Callable[[TrainInput, Mapping[str, object], str, ObjectStore], None]] = {
    "tabular": _tabular,
}
"""What each compiled pipeline does, by its name; a test holds them to what KFP's own runner makes of the package."""
