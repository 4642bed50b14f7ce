"""The contract of object stores, with the installed one, and with an S3 of other habits.

The second takes only signatures for its own region and only requests that name their bucket in the host.
"""

import socket
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from homeostat.engines.objects import ObjectNotFound, ObjectStore
from homeostat.engines.objects.memory import MemoryObjects
from homeostat.engines.objects.s3 import S3Objects
from homeostat.reconcile.errors import EngineUnavailable, InvalidSpec, PlatformError
from homeostat.settings import AddressingStyle, S3Settings
from support.seaweedfs import free_port
from tools.cluster import settings
from tools.s3 import server
from tools.waiting import until

LARGE = 11 * 1024 * 1024
"""More than one part of a multipart upload."""


SETTINGS = {"real": "s3_settings", "strict": "strict_settings"}


@pytest.fixture(params=["memory", *SETTINGS])
def objects(request: pytest.FixtureRequest) -> Iterator[ObjectStore]:
    if request.param == "memory":
        yield MemoryObjects()
    else:
        with closing(S3Objects(request.getfixturevalue(SETTINGS[request.param]))) as real:
            yield real


@pytest.fixture(scope="module")
def strict_server() -> Iterator[S3Settings]:
    """Settings of a server of the second kind, which stops with the last test of this module."""
    port = free_port()
    with subprocess.Popen(server.command(settings.load(), port)) as process:
        until("the second S3 listens", lambda: listens(port))
        yield S3Settings(
            endpoint=f"http://{server.DOMAIN}:{port}",
            access_key=server.ACCESS_KEY,
            secret_key=SecretStr(server.SECRET_KEY),
            region=server.REGION,
            addressing_style=AddressingStyle.VIRTUAL_HOST,
        )
        process.terminate()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def strict_settings(strict_server: S3Settings, monkeypatch: pytest.MonkeyPatch) -> S3Settings:
    """The same, with the names of its buckets known to the resolver."""
    resolved = socket.getaddrinfo

    def resolve(host: str, *rest: Any, **options: Any) -> Any:
        return resolved("127.0.0.1" if host.endswith(server.DOMAIN) else host, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return strict_server


@pytest.fixture
def prefix() -> str:
    return f"s3://homeostat/contract/{uuid.uuid4()}/"


def test_what_was_written_is_read(objects: ObjectStore, prefix: str) -> None:
    objects.write(f"{prefix}a", b"content")
    assert objects.read(f"{prefix}a") == b"content"
    assert objects.exists(f"{prefix}a")


def test_an_empty_object_is_an_object(objects: ObjectStore, prefix: str) -> None:
    objects.write(f"{prefix}a", b"")
    assert objects.read(f"{prefix}a") == b""
    assert objects.exists(f"{prefix}a")


def test_a_second_write_replaces_the_first(objects: ObjectStore, prefix: str) -> None:
    objects.write(f"{prefix}a", b"first, and longer")
    objects.write(f"{prefix}a", b"second")
    assert objects.read(f"{prefix}a") == b"second"


def test_an_absent_object_is_reported_by_its_uri(objects: ObjectStore, prefix: str, tmp_path: Path) -> None:
    assert not objects.exists(f"{prefix}a")
    with pytest.raises(ObjectNotFound, match=f"{prefix}a does not exist"):
        objects.read(f"{prefix}a")
    with pytest.raises(ObjectNotFound, match=f"{prefix}a does not exist"):
        objects.download(f"{prefix}a", tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_a_prefix_lists_all_objects_below_it_in_order(objects: ObjectStore, prefix: str) -> None:
    for name in ("runs/2", "runs/1", "runs/deep/er/3", "other"):
        objects.write(prefix + name, b"x")
    assert objects.list(f"{prefix}runs/") == [f"{prefix}runs/{name}" for name in ("1", "2", "deep/er/3")]
    assert objects.list(f"{prefix}none/") == []


def test_a_listing_shows_which_objects_were_written_anew(objects: ObjectStore, prefix: str) -> None:
    for name, content in (("a", b"one"), ("b", b"two")):
        objects.write(prefix + name, content)
    before = objects.listing(prefix)
    assert [(found.uri, found.size) for found in before] == [(f"{prefix}a", 3), (f"{prefix}b", 3)]
    objects.write(f"{prefix}b", b"TWO")
    after = objects.listing(prefix)
    assert after[0] == before[0]
    assert after[1] != before[1]
    assert all(found.etag for found in after)


def test_a_large_file_goes_there_and_back(objects: ObjectStore, prefix: str, tmp_path: Path) -> None:
    content = uuid.uuid4().bytes * (LARGE // 16)
    (tmp_path / "there").write_bytes(content)
    objects.upload(tmp_path / "there", f"{prefix}large")
    objects.download(f"{prefix}large", tmp_path / "new folder" / "back")
    assert (tmp_path / "new folder" / "back").read_bytes() == content


def test_names_with_blanks_and_letters_of_other_languages_are_names(objects: ObjectStore, prefix: str) -> None:
    objects.write(f"{prefix}ä b+c=d.parquet", b"x")
    assert objects.list(prefix) == [f"{prefix}ä b+c=d.parquet"]
    assert objects.read(f"{prefix}ä b+c=d.parquet") == b"x"


@pytest.mark.parametrize("uri", ["http://host/key", "s3://bucket", "s3:///key", "key"])
def test_what_names_no_object_is_refused_with_the_right_form(objects: ObjectStore, uri: str) -> None:
    for call in (objects.read, objects.exists, objects.list):
        with pytest.raises(InvalidSpec, match="s3://bucket/key"):
            call(uri)


def test_a_store_that_is_down_is_an_outage_that_names_address_and_variable(s3_settings: S3Settings) -> None:
    objects = S3Objects(s3_settings.model_copy(update={"endpoint": "http://127.0.0.1:9"}))
    with pytest.raises(EngineUnavailable, match=r"http://127\.0\.0\.1:9 does not answer.*HOMEOSTAT_S3_ENDPOINT"):
        objects.read("s3://homeostat/contract/a")


@pytest.mark.parametrize("store", SETTINGS)
def test_a_wrong_secret_is_refused_and_no_outage(request: pytest.FixtureRequest, store: str) -> None:
    wrong = request.getfixturevalue(SETTINGS[store]).model_copy(update={"secret_key": SecretStr("wrong")})
    with closing(S3Objects(wrong)) as objects, pytest.raises(PlatformError, match="HOMEOSTAT_S3_SECRET_KEY") as raised:
        objects.read("s3://homeostat/contract/a")
    assert type(raised.value) is PlatformError


@pytest.mark.parametrize(
    ("changes", "remedy"),
    [
        ({"region": "us-east-1"}, "set HOMEOSTAT_S3_REGION to the region of the bucket; it is us-east-1"),
        ({"addressing_style": AddressingStyle.PATH}, "HOMEOSTAT_S3_ADDRESSING_STYLE"),
        ({"addressing_style": AddressingStyle.AUTO}, "HOMEOSTAT_S3_ADDRESSING_STYLE"),
    ],
)
def test_a_wrong_region_or_style_is_refused_by_the_name_of_its_setting(
    strict_settings: S3Settings, changes: dict[str, Any], remedy: str
) -> None:
    with closing(S3Objects(strict_settings.model_copy(update=changes))) as objects:
        with pytest.raises(PlatformError, match=remedy) as raised:
            objects.read("s3://homeostat/contract/a")
        assert type(raised.value) is PlatformError
