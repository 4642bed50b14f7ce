"""A message of any length never keeps a status from being written."""

import json
from collections import deque

import pytest

from homeostat.api.common import LONG_MESSAGE_LIMIT, MESSAGE_LIMIT, truncated
from homeostat.cluster.events import event_manifest
from homeostat.reconcile.conditions import get
from homeostat.runs import FAILURE, FailureReason, RunFailure
from homeostat.testing.builders import a_training_job
from homeostat_operators.trainingjob.wiring import OPERATOR as TRAINING_JOBS
from support.replay import replaying
from support.trainings import put_features
from support.world import START, Fate, World

LONG = "The column 'plan' has no values. " * 1250


def test_a_training_whose_failure_fills_forty_thousand_characters_ends_with_the_beginning_of_it() -> None:
    assert len(LONG) > 40_000
    world = World(replaying(TRAINING_JOBS), a_training_job(), b"", deque())
    put_features(world)
    world.turn()
    (job,) = world.jobs()
    failure = RunFailure(reason=FailureReason.INVALID_DATA, message=LONG)
    world.objects.write(
        f"{json.loads(job.document)['output']}{FAILURE}", failure.model_dump_json(by_alias=True).encode()
    )
    world.meets(Fate.IS_KILLED)
    world.turn()
    status = world.status()
    assert status.completion_time is not None
    ended = get(status.conditions, "Succeeded")
    assert ended is not None
    assert (ended.status.value, len(ended.message), ended.message[-1]) == ("False", LONG_MESSAGE_LIMIT, "…")
    assert LONG[:500] in ended.message
    assert len(status.run.message) in {MESSAGE_LIMIT, LONG_MESSAGE_LIMIT}


@pytest.mark.parametrize(
    ("text", "cut"), [("", ""), ("abcd", "abcd"), ("abcde", "abcde"), ("abcdef", "abcd…"), ("abcdefgh", "abcd…")]
)
def test_a_text_is_cut_only_beyond_its_limit_and_shows_it(text: str, cut: str) -> None:
    assert truncated(text, 5) == cut


def test_an_event_shows_where_its_message_is_cut() -> None:
    manifest = a_training_job().model_dump(mode="json", by_alias=True)
    event = event_manifest(manifest, "Warning", "Failed", LONG, START, "homeostat")
    assert (len(event["message"]), event["message"][-1]) == (MESSAGE_LIMIT, "…")
