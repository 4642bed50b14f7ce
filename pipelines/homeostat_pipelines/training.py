"""The local engine: the compiled pipeline, run by KFP's own local runner in this process' environment."""

import os
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path

from homeostat.engines.objects import ObjectStore
from homeostat.reconcile.errors import PlatformError
from homeostat.runs import TrainInput
from homeostat_pipelines.packages import package
from homeostat_pipelines.report import Report
from homeostat_pipelines.steps import STEPS


def run(job: TrainInput, objects: ObjectStore) -> None:
    """Runs the pipeline that the job names; its last step writes the result, a failing one the failure.

    Raises:
        InvalidData: The pipeline is unknown.
        InvalidSpec: One of its parameters is.
        PlatformError: A step failed.
    """
    chosen = package(job.pipeline)
    arguments = chosen.arguments(job.parameters)
    Report(objects, job.output).progress(STEPS[0], 0, len(STEPS))  # KFP takes seconds to start
    # KFP leaves folders behind: each under this one, steps included.
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["TMPDIR"] = tempfile.tempdir = scratch
        try:
            _run_locally(
                chosen.path, {"job": job.model_dump_json(by_alias=True), **arguments}, chosen.digest, Path(scratch)
            )
        finally:
            del os.environ["TMPDIR"]
            tempfile.tempdir = None


def _run_locally(path: Path, arguments: Mapping[str, object], digest: str, scratch: Path) -> None:
    from kfp import components, local  # noqa: PLC0415 - slow to import, and a wrong parameter is told without it

    local.init(
        runner=local.SubprocessRunner(use_venv=False),
        pipeline_root=str(scratch / "outputs"),
        workspace_root=str(scratch / "workspace"),
    )
    pipeline = components.load_component_from_file(str(path))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*non-Python base image")  # it is ours, and we run in it
        try:
            pipeline(**arguments, pipeline_digest=digest)
        except RuntimeError as error:
            raise PlatformError(f"a step of the pipeline failed: {error}") from error
