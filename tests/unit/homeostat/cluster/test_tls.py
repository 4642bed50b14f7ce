"""TLS with client certificates, by the adapter and by kopf, who is given the same connection."""

import base64
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import kopf
import pytest
import yaml

from homeostat.cluster.connection import Connection, load_connection
from homeostat.cluster.kubernetes import KubernetesCluster
from homeostat.reconcile.errors import EngineUnavailable
from homeostat_operators.startup import login_of
from tools.cluster.certificates import Identity, issue, make_authority

POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one", "namespace": "churn"}}


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    make_authority(tmp_path, "ca")
    issue(tmp_path, Identity("server", "api", hosts=("127.0.0.1",)))
    issue(tmp_path, Identity("user", "ada"))
    return tmp_path


@contextmanager
def https(certificates: Path) -> Iterator[str]:
    """A server that answers one request of whoever shows a certificate of the authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "server.crt", certificates / "server.key")
    context.load_verify_locations(certificates / "ca.crt")
    context.verify_mode = ssl.CERT_REQUIRED
    body = json.dumps(POD).encode()

    def answer(server: socket.socket) -> None:
        peer, _ = server.accept()
        try:
            with context.wrap_socket(peer, server_side=True) as secure:
                secure.recv(65536)
                secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        except OSError:
            peer.close()  # the client's own test says what went wrong

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer, args=(server,), daemon=True)
        thread.start()
        yield f"https://127.0.0.1:{server.getsockname()[1]}"
        thread.join(20)


def connection(certificates: Path, url: str, user: str = "user") -> Connection:
    def data(name: str) -> str:
        return base64.b64encode((certificates / name).read_bytes()).decode()

    document = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
        "clusters": [{"name": "c", "cluster": {"server": url, "certificate-authority": "ca.crt"}}],
        "users": [
            {
                "name": "c",
                "user": {"client-certificate-data": data(f"{user}.crt"), "client-key-data": data(f"{user}.key")},
            }
        ],
    }
    (certificates / "config").write_text(yaml.safe_dump(document))
    return load_connection(str(certificates / "config"))


def test_a_client_certificate_of_a_kubeconfig_is_shown_and_the_servers_is_checked(certificates: Path) -> None:
    with https(certificates) as url:
        cluster = KubernetesCluster(connection(certificates, url), "t")
        assert cluster.get("v1", "Pod", "churn", "one") == POD


def test_a_server_of_another_authority_is_an_outage(certificates: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    make_authority(other, "ca")
    issue(other, Identity("user", "ada"))
    with https(certificates) as url, pytest.raises(EngineUnavailable, match="certificate verify failed"):
        KubernetesCluster(connection(other, url), "t").get("v1", "Pod", "churn", "one")


def test_kopf_signs_in_by_the_same_connection(certificates: Path) -> None:
    authority = certificates / "ca.crt"
    authority.write_text(f"# of the churn cluster\n{authority.read_text()}")
    info = login_of(connection(certificates, "https://127.0.0.1:6443"))
    assert isinstance(info, kopf.ConnectionInfo)
    assert info.server == "https://127.0.0.1:6443"
    assert len(info.as_ssl_context().get_ca_certs()) == 1
