"""Conditions of a TrainingJob."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import assert_never

from homeostat.api.common import Condition, ConditionType
from homeostat.api.v1alpha1 import TrainingJob
from homeostat.api.v1alpha1.trainingjob import SUCCEEDED, Completion, CompletionOutcome, TrainingJobReason
from homeostat.reconcile.conditions import put, ready, reconciling, stalled


class Stage(Enum):
    """Where a TrainingJob stands, as far as its conditions tell it apart."""

    IN_PROGRESS = auto()
    SUSPENDED = auto()
    SUCCEEDED = auto()
    FAILED = auto()


@dataclass(frozen=True)
class ConditionUpdate:
    """Reason and message of the conditions, and the stage that decides their status."""

    reason: str
    message: str
    stage: Stage = Stage.IN_PROGRESS

    @classmethod
    def success(cls, message: str) -> "ConditionUpdate":
        """The end that was wanted."""
        return cls(TrainingJobReason.SUCCEEDED, message, Stage.SUCCEEDED)

    @classmethod
    def failure(cls, reason: TrainingJobReason, message: str) -> "ConditionUpdate":
        """An end for good."""
        return cls(reason, message, Stage.FAILED)

    @classmethod
    def suspended(cls) -> "ConditionUpdate":
        """Nothing runs, because the user wants it so."""
        message = "Suspended; set spec.suspend to false to continue with the next attempt."
        return cls(TrainingJobReason.SUSPENDED, message, Stage.SUSPENDED)


def of_completion(completion: Completion) -> ConditionUpdate:
    """The update of a TrainingJob that has ended."""
    stage = Stage.SUCCEEDED if completion.outcome is CompletionOutcome.SUCCEEDED else Stage.FAILED
    return ConditionUpdate(completion.reason, completion.message, stage)


def conditions_of(resource: TrainingJob, update: ConditionUpdate, now: datetime) -> list[Condition]:
    """Succeeded, and Ready, Reconciling, Stalled as kstatus understands a job."""
    settled = (update.reason, update.message, resource.metadata.generation, now)
    old = resource.status.conditions
    match update.stage:
        case Stage.IN_PROGRESS:
            return put(reconciling(old, *settled), SUCCEEDED, "Unknown", *settled)
        case Stage.SUSPENDED:
            still = put(reconciling(old, *settled), ConditionType.RECONCILING, "False", update.reason, "", *settled[2:])
            return put(still, SUCCEEDED, "Unknown", *settled)
        case Stage.SUCCEEDED:
            return put(ready(old, *settled), SUCCEEDED, "True", *settled)
        case Stage.FAILED:
            return put(stalled(old, *settled), SUCCEEDED, "False", *settled)
        case _:
            assert_never(update.stage)
