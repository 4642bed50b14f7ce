"""TrainingJobs: the card."""

from homeostat.api.v1alpha1 import TrainingJob
from homeostat.api.v1alpha1.trainingjob import SUCCEEDED
from homeostat.views.card import Card, condition_of, facts_of


def training_job_card(o: TrainingJob) -> Card:
    """Its trigger, model, rows, first metrics and, while it runs, its progress."""
    tone, state, message = condition_of(o, SUCCEEDED)
    status = o.status
    facts = facts_of(
        ("Trigger", o.spec.trigger.type.value),
        ("Task", o.spec.dataset.target and o.spec.dataset.task),
        ("Engine", status.run and status.run.engine),
        ("Model", status.model and f"{status.model.name} v{status.model.version or '…'}"),
        ("Rows", status.dataset and f"{status.dataset.rows:,} + {status.dataset.holdout_rows:,} holdout"),
        *((metric.name, metric.value) for metric in status.metrics[:3]),
        ("Attempt", status.attempt if status.attempt > 1 else None),
    )
    running = status.progress if status.completion_time is None else None
    progress = (running.completed_steps, running.total_steps) if running and running.total_steps else None
    step = running.summary or running.current_step if running else ""
    warnings = tuple(status.dataset.warnings) if status.dataset else ()
    return Card(o.metadata.name, tone, state, step or message, facts, progress, warnings)
