"""What goes to an API server, and what its answers mean; what it does with them is for the contract suite."""

import json
import socket
import threading
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from homeostat.cluster import Conflict, WatchExpired, refusal_behind
from homeostat.cluster.connection import Connection
from homeostat.cluster.credentials import TokenFile
from homeostat.cluster.kubernetes import KubernetesCluster
from homeostat.reconcile.errors import EngineUnavailable, InvalidSpec, PlatformError
from unit.homeostat.cluster.api_server import serving

JOB: dict[str, Any] = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": "train", "namespace": "churn", "resourceVersion": "7"},
    "spec": {"aFieldThatNoClientKnows": {"a": [1, None]}},
}
STATUS = {"kind": "Status", "message": "the server's own words"}


def query_of(path: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(path).query)


def test_an_object_is_passed_on_as_it_is() -> None:
    with serving((200, JOB)) as server:
        cluster = KubernetesCluster(server.connection, "homeostat-test")
        assert cluster.create(JOB) == JOB
        cluster.apply(JOB)
        cluster.replace_status(JOB)
    assert [request.body for request in server.requests] == [JOB, JOB, JOB]
    assert [(request.method, urlsplit(request.path).path) for request in server.requests] == [
        ("POST", "/apis/batch/v1/namespaces/churn/jobs"),
        ("PATCH", "/apis/batch/v1/namespaces/churn/jobs/train"),
        ("PUT", "/apis/batch/v1/namespaces/churn/jobs/train/status"),
    ]


def test_apply_forces_ownership_as_the_field_manager_and_strictness_is_chosen() -> None:
    with serving((200, JOB)) as server:
        cluster = KubernetesCluster(server.connection, "homeostat-test")
        cluster.apply(JOB)
        cluster.create(JOB, strict=True)
        cluster.create(JOB)
    applied, strict, plain = server.requests
    assert query_of(applied.path) == {"fieldManager": ["homeostat-test"], "force": ["true"]}
    assert applied.headers["Content-Type"] == "application/apply-patch+yaml"
    assert query_of(strict.path) == {"fieldManager": ["homeostat-test"], "fieldValidation": ["Strict"]}
    assert query_of(plain.path) == {"fieldManager": ["homeostat-test"]}


def test_a_deletion_names_the_uid_and_waits_for_dependents() -> None:
    with serving((200, {})) as server:
        KubernetesCluster(server.connection, "t").delete("v1", "Pod", "churn", "one", "u-1")
    assert server.requests[0].body == {"propagationPolicy": "Foreground", "preconditions": {"uid": "u-1"}}


def test_selectors_are_written_as_kubernetes_reads_them() -> None:
    with serving((200, {"items": [], "metadata": {"resourceVersion": "1"}})) as server:
        labels = {"a": "1", "b": ("x", "y"), "c": None}
        KubernetesCluster(server.connection, "t").list("v1", "Pod", None, labels, {"spec.nodeName": "n"})
    assert query_of(server.requests[0].path) == {
        "labelSelector": ["a=1,b in (x,y),!c"],
        "fieldSelector": ["spec.nodeName=n"],
    }


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        (400, InvalidSpec),
        (401, PlatformError),
        (403, PlatformError),
        (409, Conflict),
        (422, InvalidSpec),
        (429, EngineUnavailable),
        (500, EngineUnavailable),
        (503, EngineUnavailable),
    ],
)
def test_a_refusal_means_who_must_act_and_keeps_the_servers_words(status: int, meaning: type[Exception]) -> None:
    with serving((status, STATUS)) as server, pytest.raises(meaning, match="the server's own words") as raised:
        KubernetesCluster(server.connection, "t").create(JOB)
    answer = refusal_behind(raised.value)
    assert type(raised.value) is meaning
    assert answer is not None
    assert (answer.status, answer.message) == (status, "the server's own words")
    assert len(server.requests) == 1, "nothing is retried"


def test_what_an_admission_webhook_forbids_is_the_users_to_change() -> None:
    denied = {"message": 'admission webhook "policy" denied the request: no'}
    with serving((403, denied)) as server, pytest.raises(InvalidSpec):
        KubernetesCluster(server.connection, "t").create(JOB)


def test_what_is_not_there_is_none_but_its_namespace_must_exist() -> None:
    with serving((404, {"message": 'namespaces "churn" not found'})) as server:
        cluster = KubernetesCluster(server.connection, "t")
        assert cluster.get("v1", "Pod", "churn", "one") is None
        assert cluster.replace_status(JOB) is None
        with pytest.raises(PlatformError, match="namespace 'churn' does not exist"):
            cluster.create(JOB)
        with pytest.raises(PlatformError, match="has no kind Job"):
            cluster.list("batch/v1", "Job", "churn")


def test_an_api_server_that_is_down_or_talks_nonsense_is_an_outage() -> None:
    with pytest.raises(EngineUnavailable, match="does not answer"):
        KubernetesCluster(Connection("http://127.0.0.1:1"), "t").get("v1", "Pod", "churn", "one")
    with serving((200, b"<html>")) as server, pytest.raises(EngineUnavailable, match="JSON"):
        KubernetesCluster(server.connection, "t").get("v1", "Pod", "churn", "one")


def test_an_api_server_that_accepts_and_says_nothing_is_an_outage_after_the_read_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        connection = Connection(f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(EngineUnavailable, match="does not answer"):
            KubernetesCluster(connection, "t", timeout=(1, 0.1)).get("v1", "Pod", "churn", "one")


def test_the_token_file_is_read_for_every_request(tmp_path: Path) -> None:
    token = tmp_path / "token"
    with serving((200, JOB)) as server:
        cluster = KubernetesCluster(Connection(server.url, credentials=TokenFile(token)), "t")
        for text in ("first", "second"):
            token.write_text(text)
            cluster.get("v1", "Pod", "churn", "one")
    assert [request.headers["Authorization"] for request in server.requests] == ["Bearer first", "Bearer second"]


def test_a_server_behind_a_path_and_a_user_to_impersonate_are_kept() -> None:
    with serving((200, JOB)) as server:
        connection = Connection(f"{server.url}/k8s/clusters/c-1", as_user="ada")
        KubernetesCluster(connection, "t").get("v1", "Pod", "churn", "one")
    assert server.requests[0].path == "/k8s/clusters/c-1/api/v1/namespaces/churn/pods/one"
    assert server.requests[0].headers["Impersonate-User"] == "ada"


def test_kinds_of_engines_are_given_at_wiring() -> None:
    with serving((200, JOB)) as server:
        cluster = KubernetesCluster(server.connection, "t", {("example.org/v1", "Shop"): "shops"})
        cluster.get("example.org/v1", "Shop", "churn", "one")
    assert server.requests[0].path == "/apis/example.org/v1/namespaces/churn/shops/one"


def lines(*events: tuple[str, dict[str, Any]]) -> bytes:
    return b"".join(json.dumps({"type": type_, "object": manifest}).encode() + b"\n" for type_, manifest in events)


def test_a_watch_yields_events_and_ends_with_its_stream() -> None:
    with serving((200, lines(("ADDED", JOB), ("DELETED", JOB)))) as server:
        events = list(KubernetesCluster(server.connection, "t").watch("batch/v1", "Job", {"a": "1"}, "5", 9))
    assert [(event.type, event.manifest) for event in events] == [("ADDED", JOB), ("DELETED", JOB)]
    assert query_of(server.requests[0].path) == {
        "watch": ["true"],
        "resourceVersion": ["5"],
        "timeoutSeconds": ["9"],
        "labelSelector": ["a=1"],
    }


@pytest.mark.parametrize(
    "answer", [(410, STATUS), (200, lines(("ADDED", JOB), ("ERROR", {"code": 410, "message": "too old"})))]
)
def test_a_watch_that_fell_behind_expires(answer: tuple[int, Any]) -> None:
    with serving(answer) as server, pytest.raises(WatchExpired):
        list(KubernetesCluster(server.connection, "t").watch("batch/v1", "Job", None, "5", 9))


def test_an_event_is_yielded_while_the_stream_is_still_open() -> None:
    """The API server keeps the connection open and sends each event as a chunk of its own."""
    half, rest = lines(("ADDED", JOB))[:40], lines(("ADDED", JOB))[40:]
    received = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            peer, _ = server.accept()
            with peer:
                peer.recv(65536)
                peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
                for part in (half, rest):
                    peer.sendall(f"{len(part):x}\r\n".encode() + part + b"\r\n")
                assert received.wait(20)
                peer.sendall(b"0\r\n\r\n")

        serves = threading.Thread(target=answer, daemon=True)
        serves.start()
        cluster = KubernetesCluster(Connection(f"http://127.0.0.1:{server.getsockname()[1]}"), "t")
        changes = cluster.watch("batch/v1", "Job", None, "5", 9)
        assert next(changes).manifest == JOB
        received.set()
        assert list(changes) == []
        serves.join(20)
