import re
from pathlib import Path

import pytest

from homeostat import telemetry
from homeostat.telemetry import CATALOGUE, Component, MetricType

ROOT = Path(__file__).parents[3]
SOURCES = ("src", "operators", "services", "pipelines", "charts")
LITERAL = re.compile(r"homeostat_[a-z_]+_(?:total|seconds|depth|value|bucket|sum|count|watchers|deployments)\b")
EXPOSED = [metric for metric in CATALOGUE if metric.component is not Component.GATEWAY]


def text_files() -> list[Path]:
    suffixes = {".py", ".yaml", ".tpl", ".json", ".html", ".js", ".txt"}
    return [path for room in SOURCES for path in (ROOT / room).rglob("*") if path.is_file() and path.suffix in suffixes]


def test_no_metric_is_named_outside_of_the_catalogue() -> None:
    stems = [re.escape(metric.name.removesuffix("_total")) for metric in EXPOSED]
    named = re.compile(rf"[\"'`{{ ](?:{'|'.join(stems)})(?:_total)?\b")
    for path in text_files():
        if path == ROOT / "src/homeostat/telemetry.py":
            continue
        text = path.read_text(errors="ignore")
        found = LITERAL.search(text) or named.search(text)
        assert not found, f"{path.relative_to(ROOT)} names {found[0]}; take it from homeostat.telemetry"


def test_every_metric_of_ours_has_our_prefix_and_the_suffix_of_its_type() -> None:
    for metric in EXPOSED:
        assert metric.name.startswith("homeostat_")
        assert metric.name.endswith("_total") == (metric.type is MetricType.COUNTER)


def test_names_are_unique() -> None:
    assert len({metric.name for metric in CATALOGUE}) == len(CATALOGUE)


def test_a_selector_names_the_metric_and_matches_its_labels() -> None:
    assert telemetry.ROLLOUT_REQUESTS.of("churn", "model", "3") == (
        'homeostat_requests_total{namespace="churn",deployment="model",version="3"}'
    )


def test_a_value_with_quotes_cannot_leave_its_matcher() -> None:
    assert telemetry.QUEUE_DEPTH.selector(kind='a"b\\c') == 'homeostat_queue_depth{kind="a\\"b\\\\c"}'


def test_a_selector_by_a_label_that_the_metric_lacks_is_refused() -> None:
    with pytest.raises(ValueError, match="no label 'colour'"):
        telemetry.REQUESTS.selector(colour="red")


def test_only_5xx_codes_are_server_errors() -> None:
    assert [code for code in ("200", "404", "429", "500", "503") if telemetry.is_server_error(code)] == ["500", "503"]


def test_the_reference_of_metrics_is_up_to_date() -> None:
    assert (ROOT / telemetry.REFERENCE).read_text() == telemetry.reference(), "run make generate and commit the result"
