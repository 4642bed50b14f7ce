"""Reads what the plan of a Monitor needs; the only input of this kind."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import lru_cache
from typing import cast

from homeostat import tasks, telemetry
from homeostat.api.common import API_VERSION, parse_duration
from homeostat.api.v1alpha1.dataset import Dataset, RowsPerEntity
from homeostat.api.v1alpha1.featureset import FeatureSet
from homeostat.api.v1alpha1.modeldeployment import ModelDeployment, ServedVersion
from homeostat.api.v1alpha1.monitor import Monitor
from homeostat.api.v1alpha1.signals import Signal, SignalType
from homeostat.api.v1alpha1.trainingjob import TrainingJob
from homeostat.artifacts import model
from homeostat.artifacts.bundle import BundleRef
from homeostat.artifacts.features import holdout_of
from homeostat.artifacts.holdout import Holdout
from homeostat.artifacts.storage import fetch
from homeostat.engines.metrics import Series
from homeostat.engines.objects import ObjectStore
from homeostat.enums import FeatureMode
from homeostat.reconcile import stored
from homeostat.reconcile.errors import EngineUnavailable, InvalidData, InvalidSpec, NotReadyYet, ObjectNotFound
from homeostat.reconcile.stored import Unreadable, read_all
from homeostat.signals import Baseline, Moments, Window, counter_increase, sub_window_counts
from homeostat.signals.histogram import NULL, UNSEEN
from homeostat.signals.units import ABOVE, BELOW, SQUARE
from homeostat.tasks import AnyCohort, Task
from homeostat_operators.core.clients import Clients
from homeostat_operators.core.freshness import fresh_until, renewal
from homeostat_operators.monitor import judgement
from homeostat_operators.monitor.observed import (
    CohortWindow,
    DriftWindow,
    LabelCount,
    MonitorObservation,
    SignalData,
    ValueWindow,
    WindowData,
)

UNREADABLE_RETRY = timedelta(seconds=60)
"""Delay before another look at a ModelDeployment that this release cannot read; its correction is seen at once."""

BEFORE = timedelta(seconds=30)
"""At least this far before a window a counter's last value is looked for, to count from."""


def observe(resource: Monitor, clients: Clients, now: datetime) -> MonitorObservation:
    """Everything that the plan depends on.

    Raises:
        NotReadyYet: The ModelDeployment cannot be read.
        EngineUnavailable: Kubernetes does not answer.
    """
    namespace, name = resource.metadata.namespace, resource.spec.deployment_ref.name
    deployment = _deployment(namespace, name, clients)
    feature_sets, lost_sets = read_all(FeatureSet, clients.cluster.list(API_VERSION, FeatureSet.KIND, namespace))
    jobs, lost_jobs = read_all(TrainingJob, clients.cluster.list(API_VERSION, TrainingJob.KIND, namespace))
    read = _signals(resource, deployment, clients, now)
    labels, silence = _labels(resource, clients, now)
    silent = [data.unavailable for data in read.values() if data.unavailable and not (data.mistaken or data.damaged)]
    return MonitorObservation(
        deployment=deployment,
        signals=read,
        jobs=tuple(jobs),
        materialized={f.metadata.name: _through(f) for f in feature_sets},
        renewals={f.metadata.name: renewal(f) for f in feature_sets},
        stale=_stale(deployment, feature_sets, now),
        labels=labels,
        outages=tuple(dict.fromkeys([*silent, *silence])),
        mistakes=tuple(data.unavailable for data in read.values() if data.mistaken),
        damages=tuple(dict.fromkeys(data.unavailable for data in read.values() if data.damaged)),
        unreadable=(*lost_sets, *lost_jobs),
    )


def _deployment(namespace: str, name: str, clients: Clients) -> ModelDeployment | None:
    manifest = clients.cluster.get(API_VERSION, ModelDeployment.KIND, namespace, name)
    deployment = stored.read(ModelDeployment, manifest) if manifest is not None else None
    if isinstance(deployment, Unreadable):
        # Not as if there were none: what the Monitor remembers of its signals stays for when it can be read again.
        raise NotReadyYet(str(deployment), UNREADABLE_RETRY)
    return deployment


def _through(feature_set: FeatureSet) -> datetime | None:
    last = feature_set.status.last_materialization
    return last.through if last else None


def _stale(deployment: ModelDeployment | None, feature_sets: list[FeatureSet], now: datetime) -> tuple[str, ...]:
    """FeatureSets that the champion looks features up in and that are older than their own bound."""
    stable = deployment.status.stable if deployment else None
    if deployment is None or stable is None or deployment.spec.realtime.features is not FeatureMode.LOOKUP:
        return ()
    return tuple(
        f.metadata.name
        for f in feature_sets
        if f.metadata.name == stable.feature_set and (until := fresh_until(f)) is not None and now >= until
    )


def _labels(resource: Monitor, clients: Clients, now: datetime) -> tuple[LabelCount | None, list[str]]:
    since, template = resource.status.breach_since, resource.spec.retrain.template
    if since is None or resource.spec.retrain.requires.new_labels == 0:
        return None, []
    namespace, oldest, model, holdout = resource.metadata.namespace, since, "", Holdout(percent=0)
    deployment = resource.spec.deployment_ref.name
    if template is not None:
        dataset = template.spec.dataset
        model, holdout = f"{namespace}.{template.spec.output.model}", holdout_of(dataset)
        oldest = _earliest_used(dataset, deployment, since, now)
    try:
        gain = clients.outcomes.label_gain(namespace, deployment, oldest, model, holdout)
    except EngineUnavailable as error:
        return None, [str(error)]
    if template is not None and template.spec.dataset.rows_per_entity is RowsPerEntity.ALL:
        gain = gain.of_all_rows()
    return LabelCount(since, gain), []


def _earliest_used(dataset: Dataset, deployment: str, since: datetime, now: datetime) -> datetime:
    """Time of the earliest outcome since then that a training takes."""
    limits = [source.since for source in dataset.labels if source.outcomes_of == deployment]
    begin = min((limit for limit in limits if limit), default=since) if all(limits) else since
    window = now - parse_duration(dataset.window.last) if dataset.window else since
    return max(since, begin, window)


def _signals(
    resource: Monitor, deployment: ModelDeployment | None, clients: Clients, now: datetime
) -> dict[str, SignalData]:
    stable = deployment.status.stable if deployment else None
    if deployment is None or stable is None:
        return {}
    old = {status.name: status for status in resource.status.signals}
    silent = "" if clients.metrics.healthy() else "Prometheus does not answer; no decisions are made without it."
    read = {}
    for signal in resource.spec.signals:
        needed = judgement.due(signal, old.get(signal.name), stable, deployment.spec.outcome_delay, now)
        if silent and signal.type is not SignalType.PERFORMANCE:
            read[signal.name] = SignalData(unavailable=silent)
        elif signal.type is SignalType.PERFORMANCE and deployment.spec.observation is None:
            read[signal.name] = SignalData(unavailable=_unobserved(signal, deployment), mistaken=True)
        elif signal.type is SignalType.PERFORMANCE and (problem := _unmeasured(signal, stable, clients)):
            read[signal.name] = problem
        else:
            reader = _reader(signal, deployment, stable, clients)
            read[signal.name] = _read(reader, needed)
    return read


def _unobserved(signal: Signal, deployment: ModelDeployment) -> str:
    return (
        f"Signal {signal.name} needs outcomes, but ModelDeployment {deployment.metadata.name} records no predictions; "
        "set spec.observation of the ModelDeployment, or remove the signal."
    )


def _unmeasured(signal: Signal, stable: ServedVersion, clients: Clients) -> SignalData | None:
    """Why the signal's metric cannot be estimated for the champion, before any window is due; None where it can."""
    try:
        task = _task(clients.objects, stable.uri, stable.digest)
    except (EngineUnavailable, ObjectNotFound) as error:
        return SignalData(unavailable=str(error))
    except InvalidData as error:
        return SignalData(unavailable=str(error), damaged=True)
    lacking = tasks.lacking(task, [signal.metric or ""])
    if not lacking:
        return None
    text = f"Signal {signal.name}: {lacking}. Version {stable.version} is in service; correct metric, or remove the signal."
    return SignalData(unavailable=text, mistaken=True)


def _read(reader: Callable[[Window], WindowData], needed: judgement.Due) -> SignalData:
    """Windows in order, up to the first that cannot be read."""
    windows: list[WindowData] = []
    for window in needed.windows:
        try:
            windows.append(reader(window))
        except (EngineUnavailable, ObjectNotFound) as error:
            return SignalData(tuple(windows), needed.skipped, str(error))
        except InvalidSpec as error:
            return SignalData(tuple(windows), needed.skipped, str(error), mistaken=True)
        except InvalidData as error:
            return SignalData(tuple(windows), needed.skipped, str(error), damaged=True)
    return SignalData(tuple(windows), needed.skipped)


def _reader(
    signal: Signal, deployment: ModelDeployment, stable: ServedVersion, clients: Clients
) -> Callable[[Window], WindowData]:
    def cohort(window: Window) -> WindowData:
        return cohort_window(deployment, stable, window, clients)

    def value(window: Window) -> WindowData:
        return ValueWindow(window, clients.metrics.value(signal.query or "", window.end))

    def drift(window: Window) -> WindowData:
        return drift_window(deployment, stable, window, clients)

    def prediction_drift(window: Window) -> WindowData:
        return output_window(deployment, stable, window, clients)

    match signal.type:
        case SignalType.DATA_DRIFT:
            return drift
        case SignalType.PREDICTION_DRIFT:
            return prediction_drift
        case SignalType.PERFORMANCE:
            return cohort
        case SignalType.BUSINESS:
            return value


def cohort_window(deployment: ModelDeployment, stable: ServedVersion, window: Window, clients: Clients) -> CohortWindow:
    """Predictions of one window and their outcomes, as what the champion predicts."""
    meta, version = deployment.metadata, stable.version
    counts = clients.outcomes.cohort(meta.namespace, meta.name, version, window.start, window.end)
    task = _task(clients.objects, stable.uri, stable.digest)
    if counts.task == task.name:
        return CohortWindow(window, counts)
    if counts.predictions:
        raise EngineUnavailable(
            f"the observer counts predictions of version {version} as {counts.task}, but it predicts {task.name}; "
            "are observer and predictors of the same release?"
        )
    # The observer learns what a version predicts with its first prediction.
    return CohortWindow(window, cast("AnyCohort", task.cohort([], [], 0)))


def drift_window(deployment: ModelDeployment, stable: ServedVersion, window: Window, clients: Clients) -> DriftWindow:
    """Counts of one window from the raw samples of every pod's counters."""
    baseline = _baseline(clients.objects, stable.uri, stable.digest)
    read = _raw(deployment, stable, window, clients)
    series = read(telemetry.DRIFT_HISTOGRAMS)
    start, end = window.start.timestamp(), window.end.timestamp()
    by_feature: dict[str, list[Series]] = {}
    for one in series:
        by_feature.setdefault(one.labels.get(telemetry.FEATURE, ""), []).append(one)
    counts = {feature: _counts(of, start, end) for feature, of in by_feature.items()}
    moments = _moments(read(telemetry.DRIFT_MOMENTS), counts, start, end)
    new_values = _new_values(read(telemetry.DRIFT_NEW_VALUES), start, end)
    return DriftWindow(window, baseline, counts, _gap(series, window, stable), moments, new_values)


def output_window(deployment: ModelDeployment, stable: ServedVersion, window: Window, clients: Clients) -> DriftWindow:
    """Counts of the predictions of one window, under the name that the baseline has for them."""
    baseline = _baseline(clients.objects, stable.uri, stable.digest)
    series = _raw(deployment, stable, window, clients)(telemetry.OUTPUT_HISTOGRAM)
    counts = {}
    if series and baseline.score is not None:
        counts[baseline.score.name] = _counts(series, window.start.timestamp(), window.end.timestamp())
    return DriftWindow(window, baseline, counts, _gap(series, window, stable))


def _raw(
    deployment: ModelDeployment, stable: ServedVersion, window: Window, clients: Clients
) -> Callable[[telemetry.Query], list[Series]]:
    """Reads raw samples of the champion's counters, from just before the window to its end."""
    meta, before = deployment.metadata, max(BEFORE, (window.end - window.start) / 4)

    def read(query: telemetry.Query) -> list[Series]:
        selector = query.of(meta.namespace, meta.name, stable.version)
        return clients.metrics.samples(selector, window.start - before, window.end)

    return read


def _gap(series: list[Series], window: Window, stable: ServedVersion) -> str:
    """Why the counts of a window cannot be trusted; empty when they can."""
    anchored = any(one.samples[0][0] <= window.start.timestamp() for one in series)
    if series and not anchored and window.start > stable.since:
        # What the counters rose by before the first sample cannot be told from what they rose by in the window.
        return (
            "Prometheus has no samples from just before the window: its counts cannot be separated from earlier ones."
        )
    return ""


def _counts(series: list[Series], start: float, end: float) -> list[dict[str, float]]:
    """Counts per bin in each sub-window of the series of one histogram."""
    return sub_window_counts([(one.labels.get(telemetry.BIN, ""), one.samples) for one in series], start, end)


def _new_values(series: list[Series], start: float, end: float) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for one in series:
        if rows := counter_increase(one.samples, start, end):
            of = found.setdefault(one.labels.get(telemetry.FEATURE, ""), {})
            of[one.labels.get(telemetry.VALUE, "")] = of.get(one.labels.get(telemetry.VALUE, ""), 0.0) + rows
    return found


def _moments(
    series: list[Series], counts: dict[str, list[dict[str, float]]], start: float, end: float
) -> dict[str, Moments]:
    sums: dict[str, dict[str, float]] = {}
    for one in series:
        of = sums.setdefault(one.labels.get(telemetry.FEATURE, ""), dict.fromkeys((ABOVE, BELOW, SQUARE), 0.0))
        of[one.labels.get(telemetry.MOMENT, "")] += counter_increase(one.samples, start, end)
    return {name: Moments(count=_numbers(counts.get(name, [])), **of) for name, of in sums.items()}


def _numbers(parts: list[dict[str, float]]) -> float:
    """Rows with a number."""
    return sum(rows for part in parts for label, rows in part.items() if label not in {NULL, UNSEEN})


@lru_cache(maxsize=64)
def _task(objects: ObjectStore, uri: str, digest: str) -> Task:
    """What a model predicts, from its verified signature; read once, as the baseline is."""
    return model.signature(fetch(objects, BundleRef(uri=uri, digest=digest), (model.SIGNATURE,))).predicts


@lru_cache(maxsize=64)
def _baseline(objects: ObjectStore, uri: str, digest: str) -> Baseline:
    """The verified baseline of a model bundle; it cannot change under its digest, so that it is read once."""
    return model.baseline(fetch(objects, BundleRef(uri=uri, digest=digest), (model.BASELINE,)))
