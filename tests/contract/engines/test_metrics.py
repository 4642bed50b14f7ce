"""The contract of metrics, on what every Prometheus knows of the targets that it scrapes."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from homeostat.engines.metrics import Metrics, Series
from homeostat.engines.metrics.memory import MemoryMetrics
from homeostat.engines.metrics.prometheus import PrometheusMetrics
from homeostat.reconcile.errors import EngineUnavailable, InvalidSpec
from homeostat.settings import PrometheusSettings
from tools.waiting import until

HOUR = timedelta(hours=1)
SAMPLES = 4
"""Scrapes to wait for."""
FRESH_SECONDS = 20.0


def now() -> datetime:
    return datetime.now(UTC)


def in_memory() -> MemoryMetrics:
    """What a Prometheus that scrapes one target every two seconds shows."""
    times = [now().timestamp() - 2.0 * age for age in range(10, 0, -1)]
    labels = {"instance": "localhost:9090", "job": "prometheus"}
    return MemoryMetrics(
        [
            Series({"__name__": "up", **labels}, tuple((time, 1.0) for time in times)),
            Series({"__name__": "scrape_duration_seconds", **labels}, tuple((time, 0.1) for time in times)),
        ],
        {"vector(2)": 2.0, "vector(0/0)": float("nan"), "scalar(vector(3))": 3.0},
    )


def scraped(metrics: Metrics) -> Series:
    """What is known of one target that answers, once it was scraped some times; pods that are gone left series, too."""

    def answering() -> list[Series]:
        found = metrics.samples("up", now() - HOUR, now())
        fresh = now().timestamp() - FRESH_SECONDS
        return [s for s in found if len(s.samples) >= SAMPLES and s.samples[-1][0] > fresh and s.samples[-1][1] == 1]

    return until("Prometheus scrapes a target", answering, bool)[0]


def target(series: Series) -> str:
    """Matchers of the target that a series is about."""
    return f'instance="{series.labels["instance"]}",job="{series.labels["job"]}"'


@pytest.fixture(params=["memory", "real"])
def metrics(request: pytest.FixtureRequest) -> Iterator[Metrics]:
    if request.param == "memory":
        yield in_memory()
    else:
        with closing(PrometheusMetrics(request.getfixturevalue("prometheus_settings"))) as real:
            yield real


def test_raw_samples_come_in_order_of_time_with_all_their_labels(metrics: Metrics) -> None:
    series = scraped(metrics)
    times = [time for time, _ in series.samples]
    assert times == sorted(set(times))
    assert now().timestamp() - HOUR.total_seconds() <= times[0] <= times[-1] <= now().timestamp()
    assert {"__name__", "instance", "job"} <= series.labels.keys()


def test_a_span_includes_both_of_its_ends_and_nothing_else(metrics: Metrics) -> None:
    series = scraped(metrics)
    selector = f"up{{{target(series)}}}"
    start, end = (datetime.fromtimestamp(series.samples[n][0], UTC) for n in (-4, -1))
    assert [found.samples for found in metrics.samples(selector, start, end)] == [series.samples[-4:]]
    millisecond = timedelta(milliseconds=1)
    inner = metrics.samples(selector, start + millisecond, end - millisecond)
    assert [found.samples for found in inner] == [series.samples[-3:-1]]


def test_a_selection_that_matches_nothing_is_empty(metrics: Metrics) -> None:
    assert metrics.samples('up{job="no such job"}', now() - HOUR, now()) == []
    assert metrics.value('up{job="no such job"}', now()) is None


def test_labels_select_by_equality_and_by_pattern(metrics: Metrics) -> None:
    series = scraped(metrics)
    for matcher in (target(series), 'instance=~".+"', 'instance!="x"', 'instance!~"x.*"'):
        found = metrics.samples(f"up{{{matcher}}}", now() - HOUR, now())
        assert series.labels in [one.labels for one in found]
    assert metrics.samples(f'up{{{target(series)},instance!~".+"}}', now() - HOUR, now()) == []


def test_a_value_is_one_number(metrics: Metrics) -> None:
    assert metrics.value("vector(2)", now()) == 2.0
    assert metrics.value("scalar(vector(3))", now()) == 3.0
    assert metrics.value(f"up{{{target(scraped(metrics))}}}", now()) == 1.0


def test_no_number_is_no_value(metrics: Metrics) -> None:
    assert metrics.value("vector(0/0)", now()) is None


def test_several_series_are_not_one_number_and_the_remedy_is_named(metrics: Metrics) -> None:
    both = f'{{__name__=~"up|scrape_duration_seconds",{target(scraped(metrics))}}}'
    with pytest.raises(InvalidSpec, match="gives 2 series; aggregate"):
        metrics.value(both, now())


@pytest.mark.parametrize("query", ["up{", "sum by("])
def test_an_expression_that_cannot_be_read_is_the_users_to_correct(metrics: Metrics, query: str) -> None:
    with pytest.raises(InvalidSpec, match="query"):
        metrics.value(query, now())


def test_whoever_answers_is_healthy(metrics: Metrics) -> None:
    assert metrics.healthy()


@pytest.mark.parametrize(
    "metrics",
    [MemoryMetrics(), PrometheusMetrics(PrometheusSettings(url="http://127.0.0.1:9"))],
    ids=["memory", "real"],
)
def test_an_outage_is_distinguished_from_missing_data(metrics: Metrics) -> None:
    if isinstance(metrics, MemoryMetrics):
        metrics.available = False
    assert not metrics.healthy()
    with pytest.raises(EngineUnavailable, match="check that it runs"):
        metrics.value("up", now())
    with pytest.raises(EngineUnavailable, match="check that it runs"):
        metrics.samples("up", now() - HOUR, now())


def test_a_text_is_no_number(prometheus_settings: PrometheusSettings) -> None:
    with closing(PrometheusMetrics(prometheus_settings)) as metrics, pytest.raises(InvalidSpec, match="gives a string"):
        metrics.value('"text"', now())
