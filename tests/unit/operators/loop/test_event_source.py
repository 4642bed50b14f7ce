"""Which events queue which objects."""

from typing import Any

import pytest

from homeostat.api.common import Resource
from homeostat.cluster import Manifest
from homeostat.reconcile.names import labels_for
from homeostat.testing.builders import a_feature_set, a_model_deployment, a_monitor, a_training_job
from homeostat_operators.core.dependencies import dependencies_of
from homeostat_operators.core.event_source import EventSource
from homeostat_operators.core.workqueue import WorkQueue


def manifest(resource: Resource[Any, Any], **metadata: Any) -> Manifest:
    found = resource.model_dump(mode="json", by_alias=True, exclude_none=True)
    found["metadata"] |= metadata
    return found


def a_feed(kind: str, *known: Resource[Any, Any]) -> tuple[EventSource, WorkQueue]:
    """A feed that knows objects, and whose queue was emptied since."""
    queue = WorkQueue()
    feed = EventSource(kind, queue)
    for resource in known:
        feed.own("ADDED", manifest(resource))
    while len(queue):
        key = queue.take()
        assert key is not None
        queue.done(key, None)
    return feed, queue


def test_an_object_that_appears_is_queued() -> None:
    queue = WorkQueue()
    EventSource("FeatureSet", queue).own(None, manifest(a_feature_set()))
    assert len(queue) == 1


@pytest.mark.parametrize(
    ("change", "queued"),
    [
        ({"resourceVersion": "99", "managedFields": []}, 0),
        ({"generation": 2}, 1),
        ({"labels": {"a": "b"}}, 1),
        ({"annotations": {"homeostat.dev/materialize": "now"}}, 1),
        ({"deletionTimestamp": "2026-01-05T09:00:00Z"}, 1),
        ({"uid": "of a new object with the same name"}, 1),
    ],
)
def test_an_object_queues_itself_only_for_what_others_write(change: dict[str, Any], queued: int) -> None:
    feed, queue = a_feed("FeatureSet", a_feature_set())
    feed.own("MODIFIED", manifest(a_feature_set(), **change))
    assert len(queue) == queued


def test_a_status_never_feeds_itself() -> None:
    feed, queue = a_feed("FeatureSet", a_feature_set())
    feed.own("MODIFIED", manifest(a_feature_set(status={"failures": 3})))
    assert len(queue) == 0


def test_a_child_queues_its_parent_and_only_one_of_its_kind() -> None:
    parent = a_training_job()
    job = {"metadata": {"namespace": "churn", "name": "x", "labels": labels_for(parent, "train", number=1)}}
    for kind, queued in (("TrainingJob", 1), ("FeatureSet", 0)):
        feed, queue = a_feed(kind)
        feed.child(job)
        assert len(queue) == queued


ASKED = a_training_job(
    trigger={"type": "Monitor", "ref": {"kind": "Monitor", "name": "churn", "uid": a_monitor().metadata.uid}}
)
LEARNING = {"feature_sets": [{"name": "other"}], "labels": [{"outcomes_of": "churn"}], "holdout": {"percent": 20}}


@pytest.mark.parametrize(
    ("source", "dependent", "queued"),
    [
        (a_feature_set(), a_training_job(), 1),
        (a_feature_set("others"), a_training_job(), 0),
        (a_feature_set(), a_training_job(status={"completion_time": "2026-01-05T09:00:00Z"}), 0),
        (a_feature_set(), a_monitor(), 1),
        (a_feature_set("others"), a_monitor(), 0),
        (a_training_job(), a_model_deployment(), 1),
        (a_training_job(output={"model": "other"}), a_model_deployment(), 0),
        (ASKED, a_monitor(), 1),
        (a_training_job(), a_monitor(), 0),
        (a_model_deployment(), a_monitor(), 1),
        (a_model_deployment("other"), a_monitor(), 0),
        (a_model_deployment(), a_training_job(dataset=LEARNING), 1),
        (a_model_deployment("other"), a_training_job(dataset=LEARNING), 0),
    ],
)
def test_a_change_queues_those_it_concerns(
    source: Resource[Any, Any], dependent: Resource[Any, Any], queued: int
) -> None:
    feed, queue = a_feed(dependent.kind, dependent)
    for dependency in dependencies_of(dependent.kind):
        if dependency.source == source.kind:
            feed.source(dependency, manifest(source))
    assert len(queue) == queued


def test_objects_of_other_namespaces_and_deleted_ones_are_not_concerned() -> None:
    feed, queue = a_feed("TrainingJob", a_training_job())
    (dependency,) = (d for d in dependencies_of("TrainingJob") if d.source == "FeatureSet")
    feed.source(dependency, manifest(a_feature_set(), namespace="elsewhere"))
    feed.own("DELETED", manifest(a_training_job()))
    feed.source(dependency, manifest(a_feature_set()))
    assert len(queue) == 0


def test_objects_that_break_their_schema_concern_nobody_and_nothing_breaks() -> None:
    feed, queue = a_feed("Monitor")
    feed.own("ADDED", {"metadata": {"namespace": "churn", "name": "odd", "uid": "1"}, "spec": {"deploymentRef": []}})
    queue.take()
    for dependency in dependencies_of("Monitor"):
        feed.source(dependency, manifest(a_feature_set()) | {"spec": None})
    assert len(queue) == 0
