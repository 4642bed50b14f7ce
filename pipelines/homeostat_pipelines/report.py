"""What a run hands back while it works and when it ends: the documents of `homeostat.runs`."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from homeostat.api.common import truncated
from homeostat.documents import TolerantDocument
from homeostat.engines.objects import ObjectStore
from homeostat.reconcile.errors import EngineUnavailable, InvalidData, InvalidSpec, PlatformError
from homeostat.runs import FAILURE, PROGRESS, RESULT, FailureReason, RunFailure, RunProgress

log = structlog.get_logger()
QUOTED = 600
"""Characters of an unexpected error, so that what to do about it is not cut from the condition."""


class Report:
    """Documents of one run.

    Args:
        objects: Where they are written.
        output: Their prefix, `output` of the run's input.
    """

    def __init__(self, objects: ObjectStore, output: str) -> None:
        self._objects = objects
        self._output = output if output.endswith("/") else f"{output}/"

    def progress(self, step: str, done: int, total: int) -> None:
        """Says that a step begins."""
        log.info("step begins", step=step, done=done, total=total)
        self._write(PROGRESS, RunProgress(step=step, done=done, total=total))

    def result(self, document: TolerantDocument) -> None:
        """Says that the run is complete; nothing may be written after it."""
        self._write(RESULT, document)
        log.info("run complete", result=f"{self._output}{RESULT}")

    @property
    def failed(self) -> bool:
        """Whether a failure was written."""
        return self._objects.exists(f"{self._output}{FAILURE}")

    def failure(self, error: BaseException) -> None:
        """Says why the run ends without result."""
        self._write(FAILURE, RunFailure(reason=reason_of(error), message=_message(error)))

    @contextmanager
    def failures(self) -> Iterator[None]:
        """Whatever is raised inside is written as the run's failure, then raised further."""
        try:
            yield
        except Exception as error:
            log.exception("run failed")
            try:
                if not self.failed:  # the step that failed knows best
                    self.failure(error)
            except PlatformError:  # the exit code still says it
                log.exception("failure not written")
            raise

    def _write(self, name: str, document: TolerantDocument) -> None:
        self._objects.write(f"{self._output}{name}", document.model_dump_json(by_alias=True).encode())


def _message(error: BaseException) -> str:
    """The text of an error that was written for people; of any other, what a reader of the condition can do about it."""
    if isinstance(error, PlatformError) and str(error):
        return str(error)
    text = truncated(": ".join(filter(None, (type(error).__name__, str(error)))), QUOTED)
    return f"unexpected {text}; this is a defect of Homeostat, please report it; the run's log has the traceback"


def reason_of(error: BaseException) -> FailureReason:
    """Who must act on an error."""
    match error:
        case InvalidData() | InvalidSpec():
            return FailureReason.INVALID_DATA
        case EngineUnavailable():
            return FailureReason.SOURCE_UNAVAILABLE
        case _:
            return FailureReason.ERROR
