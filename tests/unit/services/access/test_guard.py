import pytest

from homeostat_services.access import (
    Access,
    Caller,
    Forbidden,
    Guard,
    ReviewsUnavailable,
    Unauthenticated,
    bearer_token,
)
from homeostat_services.access.guard import GRANTED_SECONDS, REFUSED_SECONDS
from homeostat_services.access.memory import MemoryReviews
from homeostat_services.access.ports import grant

OUTCOMES = Access("create", "modeldeployments", "churn", "outcomes", "churn")
RIGHT = ("seller", Access("create", "modeldeployments", "churn", "outcomes"))


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def admitted(guard: Guard, token: str | None, access: Access) -> Caller:
    caller = await guard.authenticate(token)
    await guard.require(caller, access)
    return caller


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def reviews() -> MemoryReviews:
    return MemoryReviews({"t": "seller"}, {RIGHT})


@pytest.fixture
def guard(reviews: MemoryReviews, clock: Clock) -> Guard:
    return Guard(reviews, clock)


async def test_the_api_server_is_asked_once_for_many_requests(guard: Guard, reviews: MemoryReviews) -> None:
    for _ in range(3):
        assert (await admitted(guard, "t", OUTCOMES)).name == "seller"
    assert reviews.calls == ["authenticate", "is_allowed"]


async def test_a_revoked_right_and_a_revoked_token_stop_working_within_thirty_seconds(
    guard: Guard, reviews: MemoryReviews, clock: Clock
) -> None:
    await admitted(guard, "t", OUTCOMES)
    reviews.rights.clear()
    clock.now += GRANTED_SECONDS
    with pytest.raises(Forbidden):
        await admitted(guard, "t", OUTCOMES)
    reviews.users.clear()
    clock.now += GRANTED_SECONDS
    with pytest.raises(Unauthenticated):
        await admitted(guard, "t", OUTCOMES)


async def test_a_granted_right_works_soon_after_a_refusal(guard: Guard, reviews: MemoryReviews, clock: Clock) -> None:
    reviews.rights.clear()
    with pytest.raises(Forbidden):
        await admitted(guard, "t", OUTCOMES)
    reviews.rights.add(RIGHT)
    clock.now += REFUSED_SECONDS
    await admitted(guard, "t", OUTCOMES)


async def test_an_outage_of_the_api_server_closes_what_the_cache_no_longer_knows(
    guard: Guard, reviews: MemoryReviews, clock: Clock
) -> None:
    await admitted(guard, "t", OUTCOMES)
    reviews.up = False
    await admitted(guard, "t", OUTCOMES)
    clock.now += GRANTED_SECONDS
    with pytest.raises(ReviewsUnavailable):
        await admitted(guard, "t", OUTCOMES)


@pytest.mark.parametrize(
    ("header", "token"),
    [(None, None), ("", None), ("Basic abc", None), ("Bearer ", None), ("Bearer abc", "abc"), ("bearer abc ", "abc")],
)
def test_only_a_bearer_header_carries_a_token(header: str | None, token: str | None) -> None:
    assert bearer_token(header) == token


def test_a_refusal_names_the_commands_that_grant_just_the_missing_right() -> None:
    commands = grant(Caller("system:serviceaccount:shop:till"), OUTCOMES)
    assert "--verb=create --resource=modeldeployments.homeostat.dev/outcomes" in commands
    assert commands.endswith("--serviceaccount=shop:till")
    assert grant(Caller("ada"), OUTCOMES).endswith("--user=ada")
