"""Figures that foretell production: what a gate promises by each holdout, and what the following weeks bring."""

from datetime import timedelta

import pytest

from homeostat.artifacts.bundle import BundleRef
from homeostat.artifacts.dataset import HOLDOUT, TIME, TRAIN
from homeostat.artifacts.holdout import Holdout
from homeostat.reconcile.errors import InvalidData
from homeostat_pipelines import dataset
from support.promises import NOW, Bounds, Told, told
from support.stream import START, Stream, a_stream

LATEST = Holdout(latest_seconds=30 * 86_400)


@pytest.fixture(scope="module")
def stream() -> Stream:
    return a_stream()


@pytest.fixture(scope="module")
def latest(stream: Stream) -> Told:
    return told(stream, LATEST)


def overlap(first: Bounds, second: Bounds) -> bool:
    return first[1] <= second[2] and second[1] <= first[2]


def test_a_holdout_by_entity_flatters_on_a_stream_and_the_training_says_so(stream: Stream) -> None:
    by_entity = told(stream, Holdout(percent=20))
    assert by_entity.promised[1] > by_entity.live(NOW, NOW + 50)[2]
    (warning,) = [w for w in by_entity.result.dataset.warnings if "flatters" in w]
    assert "Set spec.dataset.holdout.latest" in warning
    assert (by_entity.result.judged, by_entity.of(by_entity.result.model).held) == (None, Holdout(percent=20))


def test_without_shared_shocks_a_holdout_by_entity_is_not_said_to_flatter() -> None:
    calm = told(a_stream(shock=0.0, season=0.0), Holdout(percent=20))
    assert [w for w in calm.result.dataset.warnings if "flatters" in w] == []
    assert overlap(calm.promised, calm.live(NOW, NOW + 50))


def test_what_the_later_rows_promise_comes_true(latest: Told) -> None:
    assert overlap(latest.promised, latest.live(NOW, NOW + 50))


def test_what_whole_days_promise_comes_true_and_no_day_is_on_both_sides(stream: Stream) -> None:
    by_day = told(stream, Holdout(percent=20, group_by="day"))
    assert overlap(by_day.promised, by_day.live(NOW, NOW + 50))
    data = BundleRef(uri=by_day.result.dataset.uri, digest=by_day.result.dataset.digest)
    trained, held = (
        set(dataset.read(by_day.objects, data, part).column("day").to_pylist()) for part in (TRAIN, HOLDOUT)
    )
    assert held
    assert not trained & held


def test_with_latest_one_model_is_judged_and_one_of_all_rows_is_served(latest: Told) -> None:
    result = latest.result
    assert result.judged is not None
    assert result.judged.digest != result.model.digest
    judged, served = latest.of(result.judged), latest.of(result.model)
    assert (served.judged, judged.judged) == (result.judged, None)
    assert judged.holdout is not None
    assert served.holdout is not None
    assert judged.holdout.through is None
    assert served.holdout.through == result.dataset.watermark
    data = BundleRef(uri=result.dataset.uri, digest=result.dataset.digest)
    held = dataset.read(latest.objects, data, HOLDOUT).column(TIME).to_pylist()
    trained = dataset.read(latest.objects, data, TRAIN).column(TIME).to_pylist()
    assert max(trained) < judged.holdout.since <= min(held)


def test_without_a_refit_the_judged_model_is_served(stream: Stream) -> None:
    kept = told(stream, LATEST.model_copy(update={"refit": False}))
    assert kept.result.judged is None
    held = kept.of(kept.result.model).holdout
    assert held is not None
    assert held.through is None


def test_a_later_gate_judges_on_rows_after_the_refit_of_the_champion(stream: Stream, latest: Told) -> None:
    later = told(stream, LATEST, NOW + 30, latest.objects)
    report = later.judged_against(latest.result.model)
    data = BundleRef(uri=later.result.dataset.uri, digest=later.result.dataset.digest)
    times = dataset.read(later.objects, data, HOLDOUT).column(TIME).to_pylist()
    through = latest.result.dataset.watermark
    assert through is not None
    assert report.rows == sum(time > through for time in times)
    assert 0 < report.rows < len(times)


def test_a_gate_without_rows_after_the_champions_refit_says_what_it_needs(latest: Told) -> None:
    with pytest.raises(InvalidData, match="labels are needed that are newer than the training of the champion"):
        latest.judged_against(latest.result.model)


def test_where_no_holdout_is_stated_the_later_rows_judge_and_the_training_says_so(stream: Stream) -> None:
    chosen = told(stream, Holdout())
    (sentence,) = [w for w in chosen.result.dataset.warnings if "No holdout is stated" in w]
    assert f"the labels from {START + timedelta(days=106):%Y-%m-%d}" in sentence
    assert overlap(chosen.promised, chosen.live(NOW, NOW + 50))
    assert chosen.result.judged is not None


def test_a_share_of_the_entities_is_recorded_where_no_holdout_is_stated_and_times_tell_nothing_apart() -> None:
    at_once = a_stream(days=1, each=600)
    chosen = told(at_once, Holdout())
    assert any("the labels have no order in time: 20 % of the entities" in w for w in chosen.result.dataset.warnings)
    assert (chosen.of(chosen.result.model).holdout_percent, chosen.result.judged) == (20, None)


def test_a_group_that_is_no_feature_is_named_beside_those_there_are(stream: Stream) -> None:
    with pytest.raises(
        InvalidData, match="groupBy names 'week', which is no feature of the dataset; it has day, temperature"
    ):
        told(stream, Holdout(percent=20, group_by="week"))
