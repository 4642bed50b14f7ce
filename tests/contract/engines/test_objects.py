"""The contract of object stores."""

import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from pydantic import SecretStr

from homeostat.engines.objects import ObjectNotFound, ObjectStore
from homeostat.engines.objects.memory import MemoryObjects
from homeostat.engines.objects.s3 import S3Objects
from homeostat.reconcile.errors import EngineUnavailable, InvalidSpec, PlatformError
from homeostat.settings import S3Settings

LARGE = 11 * 1024 * 1024
"""More than one part of a multipart upload."""


@pytest.fixture(params=["memory", "real"])
def objects(request: pytest.FixtureRequest) -> Iterator[ObjectStore]:
    if request.param == "memory":
        yield MemoryObjects()
    else:
        with closing(S3Objects(request.getfixturevalue("s3_settings"))) as real:
            yield real


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


def test_a_wrong_secret_is_refused_and_no_outage(s3_settings: S3Settings) -> None:
    wrong = s3_settings.model_copy(update={"secret_key": SecretStr("wrong")})
    with closing(S3Objects(wrong)) as objects, pytest.raises(PlatformError, match="HOMEOSTAT_S3_SECRET_KEY") as raised:
        objects.read("s3://homeostat/contract/a")
    assert type(raised.value) is PlatformError
