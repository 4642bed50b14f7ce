"""The order of versions, and which of them are the same."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from homeostat.api.v1alpha1.modeldeployment import ServedVersion
from homeostat_operators.core.versions import is_newer, is_same, newest, takes_number

MONDAY = datetime(2026, 1, 5, 9, tzinfo=UTC)
TUESDAY = MONDAY + timedelta(days=1)


@dataclass(frozen=True)
class Trained:
    """A version that a TrainingJob recorded."""

    version: str
    completed: datetime | None = MONDAY
    files: str = "a"

    @property
    def digest(self) -> str:
        return digest(self.files)


def digest(files: str) -> str:
    return f"sha256:{files * 64}"


def served(version: str, completed: datetime | None = MONDAY, files: str = "a") -> ServedVersion:
    return ServedVersion(
        version=version,
        digest=digest(files),
        uri="s3://homeostat/churn/models/churn/1",
        training_job="churn-first",
        completion_time=completed,
        since=MONDAY,
    )


def test_of_no_versions_none_is_the_newest() -> None:
    assert newest([]) is None


def test_the_newest_version_is_the_one_trained_last_and_in_the_same_second_that_of_the_higher_number() -> None:
    assert newest([Trained("9"), Trained("2", TUESDAY), Trained("5")]) == Trained("2", TUESDAY)
    assert newest([Trained("10"), Trained("9")]) == Trained("10")


def test_a_version_whose_training_is_about_to_complete_comes_after_all_that_have() -> None:
    about_to = Trained("2", completed=None)
    assert newest([about_to, Trained("9", TUESDAY)]) == about_to
    assert is_newer(about_to, served("9", TUESDAY), [])


def test_every_version_is_newer_than_none() -> None:
    assert is_newer(Trained("1"), None, [])


def test_a_version_is_newer_than_the_served_one_if_it_was_trained_later_whatever_the_numbers() -> None:
    assert is_newer(Trained("2", TUESDAY), served("9"), [])
    assert not is_newer(Trained("9"), served("2", TUESDAY), [])


def test_a_version_is_not_newer_than_itself() -> None:
    assert not is_newer(Trained("2"), served("2"), [])
    assert not is_newer(Trained("2"), served("2", completed=None), [])


def test_the_time_of_a_served_version_that_its_status_lacks_is_that_of_its_own_training_job() -> None:
    known = [Trained("2", MONDAY, "b"), Trained("2", TUESDAY), Trained("9", MONDAY)]
    assert not is_newer(Trained("9", MONDAY), served("2", completed=None), known)
    assert is_newer(Trained("1", TUESDAY + timedelta(hours=1)), served("2", completed=None), known)


def test_the_status_says_when_a_served_version_was_trained_before_its_training_job_does() -> None:
    known = [Trained("2", TUESDAY + timedelta(days=1))]
    assert is_newer(Trained("1", TUESDAY), served("2", MONDAY), known)


def test_where_nobody_knows_when_the_served_version_was_trained_numbers_decide() -> None:
    assert is_newer(Trained("3", MONDAY), served("2", completed=None), [])
    assert not is_newer(Trained("1", TUESDAY), served("2", completed=None), [])


def test_versions_are_the_same_by_number_and_files() -> None:
    assert is_same(Trained("2"), served("2"))
    assert not is_same(Trained("2"), served("3"))
    assert not is_same(Trained("2"), served("2", files="b"))


def test_a_version_takes_the_number_of_the_served_one_if_its_files_differ() -> None:
    assert takes_number(Trained("2", files="b"), served("2"))
    assert not takes_number(Trained("2"), served("2"))
    assert not takes_number(Trained("3", files="b"), served("2"))
    assert not takes_number(Trained("3"), served("2"))
    assert not takes_number(Trained("2"), None)
