"""``python -m homeostat_pipelines materialize|train|evaluate [--input FILE]``: one run, its input as JSON."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from pydantic import ValidationError

from homeostat import runs
from homeostat.engines.objects import ObjectStore
from homeostat.logs import log_as_json
from homeostat.reconcile.errors import PlatformError
from homeostat_pipelines.objects import from_environment
from homeostat_pipelines.report import Report

Work = Callable[[ObjectStore], None]


def _materialize(text: str) -> tuple[str, Work]:
    from homeostat_pipelines import materialize  # noqa: PLC0415 - each command starts with what it needs only

    job = runs.MaterializeInput.model_validate_json(text)
    return job.output, lambda objects: materialize.run(job, objects)


def _train(text: str) -> tuple[str, Work]:
    from homeostat_pipelines import training  # noqa: PLC0415 - as above

    job = runs.TrainInput.model_validate_json(text)
    return job.output, lambda objects: training.run(job, objects)


def _evaluate(text: str) -> tuple[str, Work]:
    from homeostat_pipelines import evaluate  # noqa: PLC0415 - as above

    job = runs.EvaluateInput.model_validate_json(text)
    return job.output, lambda objects: evaluate.run(job, objects)


COMMANDS = {"materialize": _materialize, "train": _train, "evaluate": _evaluate}


def main() -> int:
    """Runs one command; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m homeostat_pipelines", description=__doc__)
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("--input", type=Path, help=f"file with the input; without it: {runs.INPUT_VARIABLE}")
    chosen = parser.parse_args()
    command, place = chosen.command, str(chosen.input or runs.INPUT_VARIABLE)
    log_as_json(sys.stderr)
    try:
        text = chosen.input.read_text() if chosen.input else os.environ.get(runs.INPUT_VARIABLE, "")
        output, work = COMMANDS[command](text)
        objects = from_environment()
    except (OSError, ValidationError, PlatformError) as error:
        sys.stderr.write(f"{command}: {place} or the settings are wrong: {error}\n")
        return 2
    report = Report(objects, output)
    try:
        with report.failures():
            work(objects)
    except Exception:  # noqa: BLE001 - written and logged by the report
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
