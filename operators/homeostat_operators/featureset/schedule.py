"""Slots of a cron schedule, in the time zone that the user named."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from homeostat.api.v1alpha1.featureset import Materialization
from homeostat.reconcile.errors import InvalidSpec

_FIELDS = 5


def next_slot(schedule: Materialization, after: datetime) -> datetime:
    """The first slot later than ``after``, in UTC.

    Raises:
        InvalidSpec: The schedule or the time zone makes no sense, or has no slot at all.
    """
    try:
        zone = ZoneInfo(schedule.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidSpec(
            f"spec.materialization.timeZone {schedule.time_zone!r} is unknown; use a name such as Europe/Paris or Etc/UTC"
        ) from None
    fault = "it needs five fields"
    if len(schedule.schedule.split()) == _FIELDS:  # CronSim would take a sixth for seconds
        try:
            return next(CronSim(schedule.schedule, after.astimezone(zone))).astimezone(UTC)
        except (CronSimError, StopIteration) as error:
            fault = str(error) or "it never fires"
    raise InvalidSpec(
        f"spec.materialization.schedule {schedule.schedule!r} is not a cron expression ({fault}); "
        "write minute, hour, day of month, month, day of week, for example '0 * * * *'"
    )


def due_slot(schedule: Materialization, since: datetime, now: datetime) -> datetime | None:
    """The newest slot later than ``since`` that is due and not missed for longer than the starting deadline.

    Raises:
        InvalidSpec: As next_slot.
    """
    deadline = timedelta(seconds=schedule.starting_deadline_seconds)
    due = None
    slot = next_slot(schedule, max(since, now - deadline - timedelta(seconds=1)))
    while slot <= now:
        due = slot if now - slot <= deadline else due
        slot = next_slot(schedule, slot)
    return due
