"""Each question of admission by itself: where exactly its bound lies, and what it tells."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from homeostat.api.v1alpha1.modeldeployment import ModelDeployment
from homeostat.api.v1alpha1.monitor import Monitor
from homeostat.api.v1alpha1.trainingjob import TrainingJob
from homeostat.artifacts.outcomes import LabelGain
from homeostat.reconcile.stored import Unreadable
from homeostat.testing.builders import a_model_deployment, a_monitor, a_training_job, a_training_spec
from homeostat_operators.monitor import admission
from homeostat_operators.monitor.admission import Case, admit, eligible_from, own_times
from homeostat_operators.monitor.observed import LabelCount, MonitorObservation
from unit.operators.monitor.world import DIGEST, START, a_deployment, retrain

NOW = START + timedelta(hours=2)
SINCE = START + timedelta(hours=1)
OWN = {"type": "Monitor", "ref": {"kind": "Monitor", "name": "churn", "uid": a_monitor().metadata.uid}}


def a_job(name: str, *, at: datetime | None = None, version: str = "", done: bool = True, **spec: Any) -> TrainingJob:
    status: dict[str, Any] = {"completion_time": START} if done else {}
    if version:
        status["model"] = {"name": "churn.churn", "version": version, "uri": "s3://homeostat/m", "digest": DIGEST}
    job = a_training_job(name, status=status, **spec)
    return job.model_copy(update={"metadata": job.metadata.model_copy(update={"creation_timestamp": at})})


def a_case(
    deployment: ModelDeployment | None = None,
    *,
    status: dict[str, Any] | None = None,
    rows: int = 1000,
    gain: LabelGain | None = None,
    now: datetime = NOW,
    jobs: tuple[TrainingJob, ...] = (),
    through: datetime | None = NOW,
    **changes: Any,
) -> Case:
    """Everything speaks for a retraining, if it were not for the changes."""
    monitor: Monitor = a_monitor(**retrain(**changes), status=status or {})
    labels = LabelCount(SINCE, gain or LabelGain(rows=rows))
    observed = MonitorObservation(
        jobs=jobs, labels=labels, materialized={"customers": through}, renewals={"customers": "How it is renewed."}
    )
    return Case(monitor, deployment or a_deployment("1", START), monitor.status, observed, SINCE, now)


def untried_version(deployment: ModelDeployment, jobs: tuple[TrainingJob, ...]) -> str | None:
    found = admission.untried_version(deployment, jobs)
    return found.version if found else None


def told(case: Case) -> tuple[str, str, str]:
    ruling = admit(case)
    assert ruling is not None
    return ruling.action.value, ruling.reason.value, ruling.message


def record(time: datetime, **fields: Any) -> dict[str, Any]:
    return {"retraining": {"number": 1, "name": "churn-retrain-1", "uid": "gone", "time": time, **fields}}


def test_a_case_that_nothing_stands_against_is_admitted() -> None:
    assert told(a_case()) == ("Retrain", "Admitted", "All admission checks passed.")
    assert admit(a_case()).creates  # type: ignore[union-attr]


@pytest.mark.parametrize(("rows", "reason"), [(999, "WaitingForLabels"), (1000, "Admitted")])
def test_as_many_labels_as_required_are_enough(rows: int, reason: str) -> None:
    assert told(a_case(rows=rows))[1] == reason


def test_missing_labels_are_reported_with_the_figures_and_the_time_of_the_breach() -> None:
    assert told(a_case(rows=7))[2] == (
        "7 of 1000 entities to train on are labelled for predictions made since 2026-01-05T10:00:00Z."
    )
    message = told(a_case(gain=LabelGain(rows=7, held_out=2)))[2]
    assert message.endswith("since 2026-01-05T10:00:00Z; 2 more are held out.")


def test_rows_are_what_a_template_of_panels_waits_for() -> None:
    template = a_training_spec()
    template["dataset"] |= {"rows_per_entity": "All"}
    waiting = a_case(gain=LabelGain(rows=7, held_out=2, outcomes=7), template={"spec": template})
    assert told(waiting)[2] == (
        "7 of 1000 rows to train on are labelled, of predictions made since 2026-01-05T10:00:00Z; those of 2 entities are "
        "held out."
    )
    again = LabelGain(rows=900, outcomes=900, later_rows=450, later_outcomes=450)
    assert told(a_case(gain=again, template={"spec": template}))[1] == "WaitingForLabels", "the same entities help"


SAME_AGAIN = LabelGain(rows=800, held_out=200, outcomes=9000, later_rows=8, later_outcomes=800)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, "LabelsExhausted"),
        ({"later_outcomes": 799}, "WaitingForLabels"),
        ({"later_rows": 9}, "WaitingForLabels"),
        ({"rows": 999, "later_outcomes": 999, "later_rows": 0}, "LabelsExhausted"),
        ({"rows": 999, "later_outcomes": 999, "later_rows": 1}, "WaitingForLabels"),
        ({"rows": 1, "later_outcomes": 1, "later_rows": 0}, "LabelsExhausted"),
        ({"rows": 1000, "later_outcomes": 1000}, "Admitted"),
        ({"rows": 0, "later_rows": 0, "later_outcomes": 0}, "WaitingForLabels"),
    ],
)
def test_a_need_that_the_same_entities_again_and_again_cannot_fill_is_named(
    changes: dict[str, int], reason: str
) -> None:
    assert told(a_case(gain=SAME_AGAIN.model_copy(update=changes)))[1] == reason


def test_labels_that_are_exhausted_are_an_alert_that_says_what_to_set() -> None:
    action, _, message = told(a_case(gain=SAME_AGAIN))
    assert action == "Alert"
    assert message == (
        "requires.newLabels of 1000 cannot be reached with this traffic: 9000 outcomes of predictions made since "
        "2026-01-05T10:00:00Z are of 800 entities to train on, a training takes one row of each, and hardly any entity is "
        "new (200 more are held out). Set spec.retrain.requires.newLabels to at most 800, or create a TrainingJob yourself."
    )


def test_labels_that_are_not_counted_or_counted_for_another_breach_leave_the_decision_open() -> None:
    case = a_case()
    assert admit(replace(case, observed=replace(case.observed, labels=None))) is None
    assert admit(replace(case, since=SINCE - timedelta(seconds=1))) is None


def test_without_required_labels_none_are_waited_for() -> None:
    case = a_case(requires={"new_labels": 0})
    assert told(replace(case, observed=replace(case.observed, labels=None)))[1] == "Admitted"
    one = a_case(requires={"new_labels": 1})
    assert admit(replace(one, observed=replace(one.observed, labels=None))) is None


@pytest.mark.parametrize(
    ("through", "reason", "message"),
    [
        (SINCE, "Admitted", "All admission checks passed."),
        (
            SINCE - timedelta(seconds=1),
            "WaitingForFeatures",
            (
                "FeatureSet customers is materialised through 2026-01-05T09:59:59Z; the breach began at 2026-01-05T10:00:00Z. "
                "How it is renewed."
            ),
        ),
        (
            None,
            "WaitingForFeatures",
            "FeatureSet customers is not materialised; the breach began at 2026-01-05T10:00:00Z. How it is renewed.",
        ),
    ],
)
def test_features_reach_at_least_to_the_breach(through: datetime | None, reason: str, message: str) -> None:
    assert told(a_case(through=through))[1:] == (reason, message)


def test_features_that_do_not_exist_are_named() -> None:
    case = a_case(through=None)
    nowhere = told(replace(case, observed=replace(case.observed, materialized={})))
    assert nowhere[1:] == ("WaitingForFeatures", "FeatureSet customers does not exist; create it.")


def test_features_that_cannot_be_read_do_not_count_as_missing() -> None:
    case, bad = a_case(), Unreadable("FeatureSet", "customers", "spec.features: no")
    observed = replace(case.observed, materialized={}, unreadable=(bad,))
    assert told(replace(case, observed=observed))[1:] == ("WaitingForFeatures", str(bad))


def test_a_training_that_was_reserved_and_cannot_be_read_is_what_the_monitor_waits_for() -> None:
    case, bad = a_case(status=record(SINCE, uid="")), Unreadable("TrainingJob", "churn-retrain-1", "spec.seed: no")
    assert told(replace(case, observed=replace(case.observed, unreadable=(bad,))))[1:] == ("ConcurrentJob", str(bad))


@pytest.mark.parametrize(("into", "reason"), [(899, "Cooldown"), (900, "Admitted")])
def test_the_cooldown_ends_to_the_second(into: int, reason: str) -> None:
    case = a_case(status=record(NOW - timedelta(seconds=into)))
    assert told(case)[1] == reason
    assert eligible_from(case.monitor, case.status, ()) == NOW - timedelta(seconds=into) + timedelta(minutes=15)


def test_without_a_retraining_there_is_no_cooldown() -> None:
    case = a_case()
    assert eligible_from(case.monitor, case.status, (a_job("by-hand", at=NOW),)) is None


def test_retrainings_are_the_own_jobs_and_the_recorded_one_that_was_deleted() -> None:
    early, late = NOW - timedelta(hours=1), NOW - timedelta(minutes=1)
    case = a_case(status=record(START))
    jobs = (
        a_job("churn-retrain-3", at=late, trigger=OWN),
        a_job("churn-retrain-2", at=early, trigger=OWN),
        a_job("churn-retrain-4", trigger=OWN),
        a_job("by-hand", at=NOW),
    )
    assert own_times(case.monitor, case.status, jobs) == [START, early, late]
    assert eligible_from(case.monitor, case.status, jobs) == late + timedelta(minutes=15)
    there = (*jobs, a_job("churn-retrain-1", at=START + timedelta(minutes=1), trigger=OWN))
    assert own_times(case.monitor, case.status, there) == [START + timedelta(minutes=1), early, late]


@pytest.mark.parametrize(
    ("count", "ago", "reason"),
    [
        (1, 3599, "RetrainLimitReached"),
        (1, 3600, "Admitted"),
        (2, 3599, "Admitted"),
    ],
)
def test_retrainings_count_until_they_are_as_old_as_the_window(count: int, ago: int, reason: str) -> None:
    status = record(NOW - timedelta(seconds=ago))
    case = a_case(status=status, cooldown="1s", max_retrains={"count": count, "window": "60m"})
    assert told(case)[1] == reason
    if reason != "Admitted":
        assert told(case)[2] == "1 retrainings within 60m; 1 are allowed."


@pytest.mark.parametrize(("into", "reason"), [(119, "CandidateInFlight"), (120, "Admitted")])
def test_a_version_is_given_its_outcome_delay_and_one_window(into: int, reason: str) -> None:
    case = a_case(a_deployment("2", NOW - timedelta(seconds=into)))
    assert told(case)[1] == reason
    if reason != "Admitted":
        assert told(case)[2] == "Outcomes of version 2 itself are not due before 2026-01-05T11:00:01Z."


def test_a_candidate_is_reported_with_its_share_of_requests() -> None:
    rolling = a_deployment("1", START, candidate="2")
    assert told(a_case(rolling)) == ("Wait", "CandidateInFlight", "Version 2 is being rolled out.")
    candidate = rolling.status.candidate
    assert candidate is not None
    status = rolling.status.model_copy(update={"candidate": candidate.model_copy(update={"weight": 25})})
    rolling = rolling.model_copy(update={"status": status})
    assert told(a_case(rolling))[2] == "Version 2 answers 25 % of requests."


def test_a_job_that_is_reserved_and_not_seen_counts_as_running() -> None:
    pending = a_case(status=record(START, uid=""))
    assert told(pending) == (
        "Wait",
        "ConcurrentJob",
        "TrainingJob churn-retrain-1 for model churn is not finished.",
    )
    assert told(a_case(status=record(START)))[1] == "Admitted"


@pytest.mark.parametrize(
    ("job", "reason"),
    [
        (a_job("by-hand", done=False), "ConcurrentJob"),
        (a_job("by-hand"), "Admitted"),
        (a_job("by-hand", done=False, output={"model": "fraud"}), "Admitted"),
    ],
)
def test_only_an_unfinished_job_of_the_same_model_is_in_the_way(job: TrainingJob, reason: str) -> None:
    assert told(a_case(jobs=(job,)))[1] == reason


@pytest.mark.parametrize(
    ("versions", "untried"),
    [((), None), (("1",), None), (("2",), "2"), (("9", "10"), "10"), (("2", "3"), None), (("2", ""), "2")],
)
def test_the_newest_version_above_the_one_in_service_is_untried_unless_its_way_has_ended(
    versions: tuple[str, ...], untried: str | None
) -> None:
    deployment = a_deployment("1", START, held="3")
    jobs = tuple(a_job(f"job-{n}", version=version) for n, version in enumerate(versions))
    assert untried_version(deployment, jobs) == untried


def test_a_version_of_a_registry_that_counts_anew_is_untried_unless_it_takes_the_number_that_serves() -> None:
    deployment = a_deployment("5", START)
    served, after = a_job("served", version="5"), START + timedelta(days=1)

    def later(version: str, digest: str) -> TrainingJob:
        model = {"name": "churn.churn", "version": version, "uri": "s3://homeostat/m", "digest": digest}
        return a_training_job("later", status={"completion_time": after, "model": model})

    assert untried_version(deployment, (served, later("2", DIGEST))) == "2"
    assert untried_version(deployment, (served, later("5", f"sha256:{'7' * 64}"))) is None


def test_a_model_that_is_not_registered_yet_is_no_version() -> None:
    model = {"name": "churn.churn", "uri": "s3://homeostat/m", "digest": DIGEST}
    assert untried_version(a_deployment("1", START), (a_training_job("by-hand", status={"model": model}),)) is None


def test_only_a_deployment_that_follows_the_newest_has_untried_versions_and_only_of_its_model() -> None:
    pinned = a_model_deployment(model={"registered": {"name": "churn", "version": "1"}})
    assert untried_version(pinned, (a_job("by-hand", version="2"),)) is None
    following = a_model_deployment()
    assert untried_version(following, (a_job("by-hand", version="1"),)) == "1"
    assert untried_version(following, (a_job("other", version="2", output={"model": "fraud"}),)) is None


def test_a_suspended_monitor_and_its_choice_of_action_come_before_everything_else() -> None:
    case = a_case()
    suspended = a_monitor(suspend=True, **retrain(action="None"))
    assert told(replace(case, monitor=suspended)) == ("None", "Suspended", "The Monitor is suspended.")
    running = (a_job("by-hand", done=False),)
    assert told(a_case(action="None", jobs=running))[:2] == ("None", "RetrainingDisabled")
    assert told(a_case(action="Alert", jobs=running))[:2] == ("Alert", "AlertOnly")
    assert told(a_case(action="Propose"))[:2] == ("Propose", "Proposed")
    assert admit(a_case(action="Propose")).creates  # type: ignore[union-attr]
    assert not admit(a_case(action="Alert")).creates  # type: ignore[union-attr]
