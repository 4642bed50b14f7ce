"""What S3 refuses is named by the setting that is wrong, and how settings reach the requests."""

import contextlib
import http.server
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pydantic import SecretStr

from homeostat.engines.objects.s3 import S3Objects
from homeostat.reconcile.errors import EngineUnavailable, PlatformError
from homeostat.settings import AddressingStyle, Encryption, S3Settings
from tools.cluster.certificates import Identity, issue, make_authority

TEMPORARY_KEYS = """
<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult>
<Credentials><AccessKeyId>exchanged</AccessKeyId><SecretAccessKey>hush</SecretAccessKey><SessionToken>temporary</SessionToken>
<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>
</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>
"""


@dataclass
class Server:
    """An HTTP server that refuses every request with one S3 error, and keeps what it was asked."""

    code: str = "AccessDenied"
    message: str = "no"
    port: int = 0
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    secure: Callable[[ssl.SSLContext], None] = lambda _: None

    def objects(self, **changes: object) -> S3Objects:
        settings = S3Settings(
            endpoint=f"http://127.0.0.1:{self.port}", access_key="key", secret_key=SecretStr("secret")
        ).model_copy(update=changes)
        return S3Objects(settings)


@pytest.fixture
def server() -> Iterator[Server]:
    """The server on a free port."""
    state = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            state.requests.append((self.path, dict(self.headers)))
            body = f"<Error><Code>{state.code}</Code><Message>{state.message}</Message></Error>".encode()
            self.send_response(403)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_PUT = do_GET  # noqa: N815 - the name that http.server calls

        def do_POST(self) -> None:
            state.requests.append((self.path, dict(self.headers)))
            body = TEMPORARY_KEYS.encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        state.port = running.server_address[1]

        def secure(context: ssl.SSLContext) -> None:
            running.socket = context.wrap_socket(running.socket, server_side=True)

        state.secure = secure
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield state
        running.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("code", "message", "remedy"),
    [
        (
            "AuthorizationHeaderMalformed",
            "the region 'us-east-1' is wrong; expecting 'eu-central-1'",
            "HOMEOSTAT_S3_REGION",
        ),
        ("InvalidRequest", "Region does not match", "HOMEOSTAT_S3_REGION"),
        ("SignatureDoesNotMatch", "no", "HOMEOSTAT_S3_SECRET_KEY and HOMEOSTAT_S3_REGION, which is us-east-1"),
        ("InvalidAccessKeyId", "no", "HOMEOSTAT_S3_ACCESS_KEY"),
        ("ExpiredToken", "no", "renew HOMEOSTAT_S3_SESSION_TOKEN"),
        ("InvalidToken", "no", "HOMEOSTAT_S3_SESSION_TOKEN"),
        ("NoSuchBucket", "no", "create the bucket"),
        ("AccessDenied", "no", "give the key rights on the bucket"),
        ("Novel", "no", "HOMEOSTAT_S3_ACCESS_KEY, HOMEOSTAT_S3_SECRET_KEY and the rights"),
    ],
)
def test_a_refusal_names_the_setting_that_is_wrong(server: Server, code: str, message: str, remedy: str) -> None:
    server.code, server.message = code, message
    with closing(server.objects()) as objects, pytest.raises(PlatformError, match=remedy) as raised:
        objects.read("s3://homeostat/a")
    assert type(raised.value) is PlatformError


@pytest.mark.parametrize(
    ("changes", "path", "headers"),
    [
        ({}, "/homeostat/a", {"Authorization": "/us-east-1/s3/"}),
        ({"region": "eu-central-1"}, "/homeostat/a", {"Authorization": "/eu-central-1/s3/"}),
        ({"session_token": SecretStr("temporary")}, "/homeostat/a", {"x-amz-security-token": "temporary"}),
        ({"addressing_style": AddressingStyle.PATH}, "/homeostat/a", {}),
        ({"encryption": Encryption.S3}, "/homeostat/a", {"x-amz-server-side-encryption": "AES256"}),
        (
            {"encryption": Encryption.KMS, "kms_key": "k1"}, "/homeostat/a",
            {"x-amz-server-side-encryption": "aws:kms", "x-amz-server-side-encryption-aws-kms-key-id": "k1"},
        ),
    ],
)  # fmt: skip
def test_settings_reach_every_write(
    server: Server, changes: dict[str, object], path: str, headers: dict[str, str]
) -> None:
    with closing(server.objects(**changes)) as objects, contextlib.suppress(PlatformError):
        objects.write("s3://homeostat/a", b"x")
    (asked, got), *_ = server.requests
    given = {name.lower(): value for name, value in got.items()}
    assert asked == path
    assert {name for name, value in headers.items() if value not in given.get(name.lower(), "")} == set()


def test_without_keys_the_identity_of_the_pod_signs(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ambient")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "temporary")
    ambient = server.objects(access_key="", secret_key=SecretStr(""))
    with closing(ambient) as objects, contextlib.suppress(PlatformError):
        objects.read("s3://homeostat/a")
    (_, headers), *_ = server.requests
    assert "Credential=ambient/" in headers["Authorization"]


@pytest.fixture
def proxy(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The server, as proxy of this process for everything."""
    for name in ("http_proxy", "https_proxy", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{server.port}")
    return server


def test_the_proxy_of_the_environment_is_used(proxy: Server) -> None:
    with (
        closing(proxy.objects(endpoint="http://s3.example.org")) as objects,
        pytest.raises(PlatformError, match="refused"),
    ):
        objects.read("s3://homeostat/a")
    assert [path for path, _ in proxy.requests] == ["http://s3.example.org/homeostat/a"]


def test_an_object_store_that_needs_no_proxy_is_reached_without_it(
    proxy: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", ".svc,127.0.0.1")
    with closing(proxy.objects()) as objects, pytest.raises(PlatformError, match="refused"):
        objects.read("s3://homeostat/a")
    assert [path for path, _ in proxy.requests] == ["/homeostat/a"]


def test_a_web_identity_is_exchanged_for_keys_through_the_proxy(
    proxy: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("signed-by-the-cluster")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::1:role/homeostat")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://sts.example.org")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    identity = proxy.objects(endpoint="http://s3.example.org", access_key="", secret_key=SecretStr(""))
    with closing(identity) as objects, pytest.raises(PlatformError, match="refused"):
        objects.read("s3://homeostat/a")
    (exchange, _), (path, headers) = proxy.requests
    assert exchange.startswith("http://sts.example.org?")
    assert {"WebIdentityToken=signed-by-the-cluster", "RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fhomeostat"} <= set(
        exchange.partition("?")[2].split("&")
    )
    assert path == "http://s3.example.org/homeostat/a"
    assert "Credential=exchanged/" in headers["Authorization"]
    assert {name.lower(): value for name, value in headers.items()}["x-amz-security-token"] == "temporary"


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    """A folder with an authority, ca.crt, and a certificate of 127.0.0.1 that it signed."""
    make_authority(tmp_path, "ca")
    issue(tmp_path, Identity("server", "s3", hosts=("127.0.0.1",)))
    return tmp_path


def test_a_certificate_of_an_authority_that_nobody_knows_names_the_setting_that_makes_it_known(
    server: Server, certificates: Path
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "server.crt", certificates / "server.key")
    server.secure(context)
    endpoint = f"https://127.0.0.1:{server.port}"
    with (
        closing(server.objects(endpoint=endpoint)) as objects,
        pytest.raises(EngineUnavailable, match=r"is not trusted.*HOMEOSTAT_S3_CA_BUNDLE"),
    ):
        objects.read("s3://homeostat/a")
    bundle = (certificates / "ca.crt").read_text()
    with (
        closing(server.objects(endpoint=endpoint, ca_bundle=bundle)) as objects,
        pytest.raises(PlatformError, match="refused"),
    ):
        objects.read("s3://homeostat/a")
