"""Every metric of the platform: name, type, labels, help, and the selectors that read it.

Components declare their metrics from this catalogue and operators query Prometheus with its selectors, so that a name or a
label is written once. ``python -m homeostat.telemetry`` writes docs/reference/metrics.md from it.
"""

import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

REFERENCE = Path("docs/reference/metrics.md")


class MetricType(StrEnum):
    """Type of a metric as Prometheus names it."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Component(StrEnum):
    """The part of the platform that exposes a metric."""

    PREDICTOR = "predictor"
    OPERATORS = "operators"
    OBSERVER = "observer"
    FEATURES = "features"
    ROUTER = "router"
    CONSOLE = "console"
    GATEWAY = "gateway"


@dataclass(frozen=True)
class MetricFamily:
    """One metric.

    Attributes:
        name: Name of the series; that of a counter ends in ``_total``. A histogram adds ``_bucket``, ``_sum``, ``_count``.
        type: Type at Prometheus.
        component: Which part exposes it.
        labels: Label names, in the order in which their values are given.
        help: Help text, one sentence.
        buckets: Upper ends of a histogram's buckets; empty: the client library's own.
    """

    name: str
    type: MetricType
    component: Component
    labels: tuple[str, ...]
    help: str
    buckets: tuple[float, ...] = ()

    @property
    def declaration(self) -> tuple[str, str, tuple[str, ...]]:
        """Name, help and labels, the first three arguments of every metric class of `prometheus_client`."""
        return self.name, self.help, self.labels

    def selector(self, **labels: str) -> str:
        """An instant vector selector of the series with these label values.

        Raises:
            ValueError: The metric has no such label.
        """
        if unknown := sorted(labels.keys() - set(self.labels)):
            raise ValueError(f"{self.name} has no label {unknown[0]!r}; it has {', '.join(self.labels)}")
        matchers = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
        return f"{self.name}{{{matchers}}}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


NAMESPACE, DEPLOYMENT, VERSION = "namespace", "deployment", "version"
CODE, MIRRORED, FEATURE, BIN, MOMENT, VALUE = "code", "mirrored", "feature", "bin", "moment", "value"
_VERSION_LABELS = (NAMESPACE, DEPLOYMENT, VERSION)
_DEPLOYMENT_LABELS = (NAMESPACE, DEPLOYMENT)

REQUESTS = MetricFamily(
    "homeostat_requests_total",
    MetricType.COUNTER,
    Component.PREDICTOR,
    (*_VERSION_LABELS, CODE, MIRRORED),
    "Answered requests by HTTP status code; a mirrored request is a copy whose response is discarded.",
)
REQUEST_SECONDS = MetricFamily(
    "homeostat_request_duration_seconds",
    MetricType.HISTOGRAM,
    Component.PREDICTOR,
    _VERSION_LABELS,
    "Time to answer a request.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5),
)
FEATURE_BINS = MetricFamily(
    "homeostat_feature_bin_total",
    MetricType.COUNTER,
    Component.PREDICTOR,
    (*_VERSION_LABELS, FEATURE, BIN),
    "Served values of each feature by bin of the training baseline.",
)
FEATURE_DISTANCES = MetricFamily(
    "homeostat_feature_distance_total",
    MetricType.COUNTER,
    Component.PREDICTOR,
    (*_VERSION_LABELS, FEATURE, MOMENT),
    "Distances of served values from the training mean: sums above it, below it, and of squares.",
)
UNSEEN_VALUES = MetricFamily(
    "homeostat_feature_unseen_value_total",
    MetricType.COUNTER,
    Component.PREDICTOR,
    (*_VERSION_LABELS, FEATURE, VALUE),
    "Served values of a categorical feature that training has not seen, of the at most eight that are at least 1 % of its values.",
)
SCORE_BINS = MetricFamily(
    "homeostat_score_bin_total",
    MetricType.COUNTER,
    Component.PREDICTOR,
    (*_VERSION_LABELS, BIN),
    "Served predictions by bin of the training baseline.",
)
PREDICTION_LOG_DROPPED = MetricFamily(
    "homeostat_prediction_log_dropped_total",
    MetricType.COUNTER,
    Component.PREDICTOR,
    _VERSION_LABELS,
    "Predictions that never reached the observer.",
)
RECONCILES = MetricFamily(
    "homeostat_reconciles_total",
    MetricType.COUNTER,
    Component.OPERATORS,
    ("kind", "outcome"),
    "Reconciliations by outcome; the outcome `unexpected` is a bug, with its traceback in the log.",
)
RECONCILE_SECONDS = MetricFamily(
    "homeostat_reconcile_duration_seconds",
    MetricType.HISTOGRAM,
    Component.OPERATORS,
    ("kind",),
    "Duration of a reconciliation.",
)
QUEUE_DEPTH = MetricFamily(
    "homeostat_queue_depth",
    MetricType.GAUGE,
    Component.OPERATORS,
    ("kind",),
    "Objects that are due for reconciliation and wait for a worker.",
)
OBSERVER_PREDICTIONS = MetricFamily(
    "homeostat_observer_predictions_total",
    MetricType.COUNTER,
    Component.OBSERVER,
    (*_DEPLOYMENT_LABELS, "result"),
    "Predictions received, by result.",
)
OBSERVER_OUTCOMES = MetricFamily(
    "homeostat_observer_outcomes_total",
    MetricType.COUNTER,
    Component.OBSERVER,
    (*_DEPLOYMENT_LABELS, "result"),
    "Outcomes received, by result.",
)
BUSINESS_VALUE = MetricFamily(
    "homeostat_business_value",
    MetricType.GAUGE,
    Component.OBSERVER,
    (*_DEPLOYMENT_LABELS, "name"),
    "Newest value of a business metric.",
)
EXPORT_LAG_SECONDS = MetricFamily(
    "homeostat_observer_export_lag_seconds",
    MetricType.GAUGE,
    Component.OBSERVER,
    (),
    "Age of the oldest matched outcome that is not yet in the object store.",
)
EXPORT_PARTS = MetricFamily(
    "homeostat_observer_export_parts_total",
    MetricType.COUNTER,
    Component.OBSERVER,
    (),
    "Files of outcomes uploaded to the object store.",
)
EXPORT_FAILURES = MetricFamily(
    "homeostat_observer_export_failures_total",
    MetricType.COUNTER,
    Component.OBSERVER,
    (),
    "Exports that failed.",
)
FEATURE_ROWS = MetricFamily(
    "homeostat_features_rows_total",
    MetricType.COUNTER,
    Component.FEATURES,
    (NAMESPACE, "feature_set", "found"),
    "Rows requested from the online store, by whether they were there.",
)
ROUTER_RESPONSES = MetricFamily(
    "homeostat_router_answers_total",
    MetricType.COUNTER,
    Component.ROUTER,
    ("resource", CODE),
    "Responses to Envoy's discovery requests, by resource and status code.",
)
ROUTER_DEPLOYMENTS = MetricFamily(
    "homeostat_router_deployments", MetricType.GAUGE, Component.ROUTER, (), "ModelDeployments that are routed."
)
CONSOLE_WATCHERS = MetricFamily(
    "homeostat_console_watchers", MetricType.GAUGE, Component.CONSOLE, (), "Open pages that receive live updates."
)
GATEWAY_REQUESTS = MetricFamily(
    "envoy_cluster_upstream_rq",
    MetricType.COUNTER,
    Component.GATEWAY,
    ("envoy_cluster_name", "envoy_response_code"),
    "Requests that the gateway sent to a version, by status code. Envoy's own metric.",
)

CATALOGUE: tuple[MetricFamily, ...] = (
    REQUESTS,
    REQUEST_SECONDS,
    FEATURE_BINS,
    FEATURE_DISTANCES,
    UNSEEN_VALUES,
    SCORE_BINS,
    PREDICTION_LOG_DROPPED,
    RECONCILES,
    RECONCILE_SECONDS,
    QUEUE_DEPTH,
    OBSERVER_PREDICTIONS,
    OBSERVER_OUTCOMES,
    BUSINESS_VALUE,
    EXPORT_LAG_SECONDS,
    EXPORT_PARTS,
    EXPORT_FAILURES,
    FEATURE_ROWS,
    ROUTER_RESPONSES,
    ROUTER_DEPLOYMENTS,
    CONSOLE_WATCHERS,
    GATEWAY_REQUESTS,
)
"""Every metric that the platform exposes, and those of others that it relies on."""


@dataclass(frozen=True)
class Query:
    """A selector that the platform reads, one version of one ModelDeployment at a time.

    Attributes:
        metric: The metric that it selects.
        purpose: Who reads it, and what for.
    """

    metric: MetricFamily
    purpose: str

    def of(self, namespace: str, deployment: str, version: str) -> str:
        """The selector for one version of a ModelDeployment."""
        return self.metric.selector(namespace=namespace, deployment=deployment, version=version)


ROLLOUT_REQUESTS = Query(
    REQUESTS,
    "ModelDeployment operator: requests and server errors (5xx) of a candidate on a rollout step, and of its champion.",
)
DRIFT_HISTOGRAMS = Query(FEATURE_BINS, "Monitor operator: feature histograms of a window, for `DataDrift` signals.")
OUTPUT_HISTOGRAM = Query(
    SCORE_BINS, "Monitor operator: histogram of a window's predictions, for `PredictionDrift` signals."
)
DRIFT_MOMENTS = Query(FEATURE_DISTANCES, "Monitor operator: mean and spread of a window, for a change of unit.")
DRIFT_NEW_VALUES = Query(UNSEEN_VALUES, "Monitor operator: frequent new categories of a window, to name them.")

QUERIES: tuple[Query, ...] = (ROLLOUT_REQUESTS, DRIFT_HISTOGRAMS, OUTPUT_HISTOGRAM, DRIFT_MOMENTS, DRIFT_NEW_VALUES)
"""Everything that operators read from Prometheus, besides the queries of `Business` signals."""


def is_server_error(code: str) -> bool:
    """Whether a value of the label `code` counts as an error of the model server."""
    return code.startswith("5")


def reference() -> str:
    """The catalogue as Markdown."""
    head = "Generated from `src/homeostat/telemetry.py`. Every component answers `/metrics`, the gateway `/stats/prometheus`."
    parts = [f"# Metrics\n\n{head}\n"]
    for component in Component:
        rows = "\n".join(_row(metric) for metric in CATALOGUE if metric.component is component)
        parts.append(
            f"## {component.value.capitalize()}\n\n| metric | type | labels | meaning |\n|---|---|---|---|\n{rows}\n"
        )
    queries = "\n".join(f"| `{query.of('…', '…', '…')}` | {query.purpose} |" for query in QUERIES)
    parts.append(f"## Read by operators\n\n| selector | read by |\n|---|---|\n{queries}\n")
    return "\n".join(parts)


def _row(metric: MetricFamily) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    return f"| `{metric.name}` | {metric.type.value} | {labels} | {metric.help} |"


if __name__ == "__main__":
    REFERENCE.parent.mkdir(parents=True, exist_ok=True)
    REFERENCE.write_text(reference())
    sys.stdout.write(f"{REFERENCE}\n")
