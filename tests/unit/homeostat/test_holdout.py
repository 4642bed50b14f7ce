"""Which rows no version of a model is trained on, and how a spec says it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from homeostat.api.v1alpha1.dataset import Dataset
from homeostat.artifacts.features import holdout_of
from homeostat.artifacts.holdout import Holdout, held_out
from homeostat.artifacts.signature import Signature

START = datetime(2026, 1, 1, tzinfo=UTC)
ENTITIES = [f"e{n}" for n in range(100)]
TIMES = np.array([(START + timedelta(days=n)).replace(tzinfo=None) for n in range(100)], dtype="datetime64[us]")


def unseen(holdout: Holdout, groups: list[Any] | None = None) -> NDArray[np.bool_]:
    return holdout.unseen("n.m", lambda: ENTITIES, lambda: TIMES, lambda: groups or [])


def dataset(**holdout: Any) -> Dataset:
    return Dataset.model_validate({"featureSets": [{"name": "f"}], "labels": [{"outcomesOf": "d"}], **holdout})


def test_a_share_of_the_entities_is_held_out_by_their_hash() -> None:
    assert unseen(Holdout(percent=30)).tolist() == [held_out("n.m", entity, 30) for entity in ENTITIES]


def test_all_rows_of_a_group_are_held_out_or_none_and_one_without_a_group_is_trained_on() -> None:
    groups: list[Any] = [None if n % 10 == 9 else n % 7 for n in range(100)]
    mask = unseen(Holdout(percent=40, group_by="day"), groups)
    assert {g for g, held in zip(groups, mask, strict=True) if held} == {
        n for n in range(7) if held_out("n.m", str(n), 40)
    }
    for group in range(7):
        assert len({bool(held) for g, held in zip(groups, mask, strict=True) if g == group}) == 1
    assert 0 < mask.sum() < 90


def test_the_newest_time_is_held_out_and_of_a_refitted_model_what_came_after_it() -> None:
    latest = Holdout(latest_seconds=10 * 86_400).resolved(TIMES)
    assert latest.since == START + timedelta(days=89)
    assert unseen(latest).nonzero()[0].tolist() == list(range(89, 100))
    refitted = latest.model_copy(update={"through": START + timedelta(days=95)})
    assert unseen(refitted).nonzero()[0].tolist() == [96, 97, 98, 99]


def test_where_no_holdout_is_stated_the_newest_fifth_is_it_unless_times_tell_nothing_apart() -> None:
    chosen = Holdout().resolved(TIMES)
    assert (chosen.since, chosen.refits) == (START + timedelta(days=80), True)
    assert unseen(chosen).sum() == 20
    for times in (np.repeat(TIMES[:1], 100), np.r_[TIMES[:40], np.repeat(TIMES[99:], 60)]):
        assert Holdout().resolved(times) == Holdout(percent=20)


def test_a_stated_form_is_kept() -> None:
    assert Holdout(percent=20).resolved(TIMES) == Holdout(percent=20)
    assert (Holdout(percent=20).refits, Holdout(latest_seconds=1, refit=False).refits) == (False, False)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, Holdout()),
        ({"holdout": {"percent": 20}}, Holdout(percent=20)),
        ({"holdout": {"percent": 20, "groupBy": "day"}}, Holdout(percent=20, group_by="day")),
        ({"holdout": {"latest": "720h"}}, Holdout(latest_seconds=2_592_000)),
        ({"holdout": {"latest": "1h", "refit": False}}, Holdout(latest_seconds=3600, refit=False)),
    ],
)
def test_a_spec_has_one_form_of_a_holdout(spec: dict[str, Any], expected: Holdout) -> None:
    assert holdout_of(dataset(**spec)) == expected


@pytest.mark.parametrize(
    ("holdout", "message"),
    [
        ({}, "exactly one of percent and latest"),
        ({"percent": 20, "latest": "1h"}, "exactly one of percent and latest"),
        ({"latest": "1h", "groupBy": "day"}, "groupBy is allowed with percent only"),
        ({"percent": 20, "refit": True}, "refit is allowed with latest only"),
    ],
)
def test_another_form_is_refused(holdout: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        dataset(holdout=holdout)


def test_a_signature_records_its_holdout_and_an_older_one_its_percentage_alone() -> None:
    described = {
        "model": "n.m", "entity": "e", "featureSets": ["f"],
        "inputs": [{"name": "a", "datatype": "FP64", "feature_set": "f"}],
    }  # fmt: skip
    assert Signature.model_validate(described).held is None
    old = Signature.model_validate({**described, "holdoutPercent": 20})
    assert old.held == Holdout(percent=20)
    assert not {"holdout", "judged"} & old.model_dump(by_alias=True).keys()
    latest = Holdout(latest_seconds=60, since=START)
    again = Signature.model_validate_json(old.model_copy(update={"holdout": latest}).model_dump_json(by_alias=True))
    assert again.held == latest
