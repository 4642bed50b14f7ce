"""The second S3: compiled once from its Go module, and its command line."""

from pathlib import Path

from tools.cluster import golang
from tools.cluster.settings import Settings

SOURCES = Path(__file__).parent / "go"
REGION, DOMAIN, BUCKET, ACCESS_KEY, SECRET_KEY = "eu-central-1", "s3.test", "homeostat", "key", "secret"


def program(settings: Settings) -> Path:
    """The server's program.

    Raises:
        UserError: there is no suitable Go, no way to its modules, or the build failed.
    """
    sources = golang.Sources(SOURCES, golang.toolchain(settings.cache))
    directory = settings.cache / "s3" / sources.key
    golang.once(directory, lambda: _compile(sources, directory / "s3"))
    return directory / "s3"


def _compile(sources: golang.Sources, target: Path) -> None:
    sources.compile(".", target, "the second S3")
    sources.vet()


def command(settings: Settings, port: int) -> list[str]:
    """The command line of a server on the loopback that keeps its objects in memory."""
    options = {
        "address": f"127.0.0.1:{port}",
        "region": REGION,
        "domain": DOMAIN,
        "bucket": BUCKET,
        "access-key": ACCESS_KEY,
        "secret-key": SECRET_KEY,
    }
    return [str(program(settings)), *(f"-{name}={value}" for name, value in options.items())]
