"""What is relied on of a Kubernetes API: the real one passes it on a cluster, the twin in the unit tests."""

from datetime import UTC, datetime

import pytest

from homeostat.api.common import API_VERSION, format_time
from homeostat.api.v1alpha1 import FeatureSet
from homeostat.cluster import ClusterAccess, Conflict, Manifest, refusal_behind
from homeostat.reconcile.errors import InvalidSpec
from homeostat.testing.builders import a_feature_set
from tools.waiting import until

NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)
NOBODY = "0c9e7d52-1f0e-4b6e-9d8f-7a2f0f6f3a99"
SERVICE = ("v1", "Service")
WATCH_SECONDS = 30


def a_service(namespace: str, name: str = "one", **labels: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"ports": [{"port": 80}], "selector": {"nothing": "at-all"}},
    }


def a_status(reason: str) -> Manifest:
    """A status of a Service, which nobody else writes."""
    condition = {
        "type": "Seen",
        "status": "True",
        "reason": reason,
        "message": "",
        "lastTransitionTime": format_time(NOW),
    }
    return {"loadBalancer": {}, "conditions": [condition]}


def a_feature_set_in(namespace: str, **spec: object) -> Manifest:
    """A FeatureSet as a user writes it."""
    whole = a_feature_set().model_dump(mode="json", by_alias=True, exclude_none=True)
    metadata = {"name": "customers", "namespace": namespace}
    return {"apiVersion": API_VERSION, "kind": FeatureSet.KIND, "metadata": metadata, "spec": {**whole["spec"], **spec}}


class ClusterContract:
    """The suite; a subclass has the fixtures ``cluster`` and ``namespace``."""

    def test_what_is_not_there_is_none(self, cluster: ClusterAccess, namespace: str) -> None:
        assert cluster.get(*SERVICE, namespace, "one") is None

    def test_a_second_create_of_a_name_is_a_conflict(self, cluster: ClusterAccess, namespace: str) -> None:
        made = cluster.create(a_service(namespace))
        with pytest.raises(Conflict):
            cluster.create(a_service(namespace))
        found = cluster.get(*SERVICE, namespace, "one")
        assert found is not None
        assert found["metadata"]["uid"] == made["metadata"]["uid"]

    def test_a_list_holds_what_carries_the_labels_and_says_what_it_is(
        self, cluster: ClusterAccess, namespace: str
    ) -> None:
        cluster.create(a_service(namespace, "one", colour="red", shape="round"))
        cluster.create(a_service(namespace, "two", colour="red"))
        found = cluster.list(*SERVICE, namespace, {"colour": "red", "shape": "round"})
        assert [(one["apiVersion"], one["kind"], one["metadata"]["name"]) for one in found] == [
            ("v1", "Service", "one")
        ]
        assert len(cluster.list(*SERVICE, namespace, {"colour": "red"})) == 2

    def test_a_list_leaves_out_what_carries_a_label_that_is_to_be_lacking(
        self, cluster: ClusterAccess, namespace: str
    ) -> None:
        cluster.create(a_service(namespace, "one", colour="red", shape="round"))
        cluster.create(a_service(namespace, "two", colour="red"))
        found = cluster.list(*SERVICE, namespace, {"colour": "red", "shape": None})
        assert [one["metadata"]["name"] for one in found] == ["two"]

    def test_apply_makes_an_object_and_changes_it(self, cluster: ClusterAccess, namespace: str) -> None:
        made = cluster.apply(a_service(namespace))
        changed = cluster.apply(a_service(namespace, colour="red"))
        assert changed["metadata"]["uid"] == made["metadata"]["uid"]
        assert changed["metadata"]["labels"] == {"colour": "red"}

    def test_only_the_object_with_the_uid_is_deleted(self, cluster: ClusterAccess, namespace: str) -> None:
        made = cluster.create(a_service(namespace))
        cluster.delete(*SERVICE, namespace, "one", NOBODY)
        found = cluster.get(*SERVICE, namespace, "one")
        assert found is not None
        assert "deletionTimestamp" not in found["metadata"]
        cluster.delete(*SERVICE, namespace, "one", made["metadata"]["uid"])

        def going() -> bool:
            left = cluster.get(*SERVICE, namespace, "one")
            return left is None or "deletionTimestamp" in left["metadata"]

        until("the Service is deleted", going, bool)
        cluster.delete(*SERVICE, namespace, "one", made["metadata"]["uid"])

    def test_a_status_is_written_at_the_version_that_was_read(self, cluster: ClusterAccess, namespace: str) -> None:
        made = cluster.create(a_service(namespace))
        written = cluster.replace_status({**made, "status": a_status("First")})
        assert written is not None
        assert written["status"] == a_status("First")
        assert written["metadata"]["resourceVersion"] != made["metadata"]["resourceVersion"]
        with pytest.raises(Conflict):
            cluster.replace_status({**made, "status": a_status("Second")})

    def test_the_status_of_what_is_gone_is_not_written(self, cluster: ClusterAccess, namespace: str) -> None:
        gone = a_feature_set().model_dump(mode="json", by_alias=True, exclude_none=True)
        gone["metadata"] = {"name": "customers", "namespace": namespace, "resourceVersion": "1", "uid": NOBODY}
        assert cluster.replace_status({**gone, "status": {"failures": 1}}) is None

    def test_a_list_holds_what_carries_one_of_several_values(self, cluster: ClusterAccess, namespace: str) -> None:
        for name, colour in (("one", "red"), ("two", "blue"), ("three", "green")):
            cluster.create(a_service(namespace, name, colour=colour))
        found = cluster.list(*SERVICE, namespace, {"colour": ("red", "blue")})
        assert sorted(one["metadata"]["name"] for one in found) == ["one", "two"]

    def test_a_conflict_carries_the_answer_of_the_server(self, cluster: ClusterAccess, namespace: str) -> None:
        cluster.create(a_feature_set_in(namespace))
        with pytest.raises(Conflict) as raised:
            cluster.create(a_feature_set_in(namespace))
        answer = refusal_behind(raised.value)
        assert answer is not None
        assert (answer.status, answer.message) == (409, 'featuresets.homeostat.dev "customers" already exists')

    def test_a_strict_create_refuses_an_unknown_field_by_name(self, cluster: ClusterAccess, namespace: str) -> None:
        with pytest.raises(InvalidSpec, match=r"spec\.colour") as raised:
            cluster.create(a_feature_set_in(namespace, colour="red"), strict=True)
        answer = refusal_behind(raised.value)
        assert answer is not None
        assert answer.status == 400

    def test_an_event_recorded_twice_is_there_once_and_is_listed_by_what_it_is_about(
        self, cluster: ClusterAccess, namespace: str
    ) -> None:
        ours = cluster.create(a_feature_set_in(namespace))
        for _ in range(2):
            cluster.record_event(ours, "Normal", "Materialized", "Snapshot 1 is in service.", NOW)
        about = {"involvedObject.apiVersion": API_VERSION, "involvedObject.name": "customers"}
        # An operator of an installed release may report on the object, too.
        found = [e for e in cluster.list("v1", "Event", namespace, fields=about) if e["reason"] == "Materialized"]
        assert [event["involvedObject"]["uid"] for event in found] == [ours["metadata"]["uid"]]
        assert cluster.list("v1", "Event", namespace, fields={"involvedObject.name": "nobody"}) == []

    def test_a_watch_shows_every_change_since_the_listing(self, cluster: ClusterAccess, namespace: str) -> None:
        before = cluster.create(a_service(namespace, "before", watched=namespace))
        labels = {"watched": namespace}
        listing = cluster.listing(*SERVICE, None, labels)
        assert [one["metadata"]["name"] for one in listing.items] == ["before"]
        cluster.create(a_service(namespace, "other"))
        cluster.create(a_service(namespace, "one", watched=namespace))
        cluster.replace_status({**before, "status": a_status("First")})
        cluster.apply(a_service(namespace, "one", watched="no-more"))
        changes = cluster.watch(*SERVICE, labels, listing.resource_version, WATCH_SECONDS)
        events = [next(changes) for _ in range(3)]
        assert [(event.type, event.manifest["metadata"]["name"]) for event in events] == [
            ("ADDED", "one"),
            ("MODIFIED", "before"),
            ("DELETED", "one"),
        ]

    def test_a_watch_without_news_ends_after_its_seconds(self, cluster: ClusterAccess, namespace: str) -> None:
        listing = cluster.listing(*SERVICE, None, {"watched": namespace})
        assert list(cluster.watch(*SERVICE, {"watched": namespace}, listing.resource_version, 1)) == []
