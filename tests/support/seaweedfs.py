"""How a SeaweedFS of one's own is started: an S3 on the loopback with one key."""

import io
import socket
from pathlib import Path

import urllib3
from minio import Minio
from minio.error import MinioException

ACCESS_KEY, SECRET_KEY, BUCKET = "key", "secret", "homeostat"

_IDENTITY = (
    f'{{"name":"t","credentials":[{{"accessKey":"{ACCESS_KEY}","secretKey":"{SECRET_KEY}"}}],'
    '"actions":["Admin","Read","Write","List"]}'
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def command(program: Path, folder: Path, port: int) -> list[str]:
    """The command line of a server that keeps its data in `folder`; it makes no bucket."""
    (folder / "s3.json").write_text(f'{{"identities":[{_IDENTITY}]}}')
    (folder / "data").mkdir()
    ports = [f"-{name}.port={free_port()}" for name in ("master", "volume", "filer")]
    ports += [f"-{name}.port.grpc={free_port()}" for name in ("master", "volume", "filer", "s3")]
    return [
        str(program), "server", f"-dir={folder / 'data'}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
        "-filer", "-s3", f"-s3.port={port}", f"-s3.config={folder / 's3.json'}", "-master.electionTimeout=1s",
        "-master.telemetry=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0", "-master.volumeSizeLimitMB=64", "-volume.max=20", *ports,
    ]  # fmt: skip


def environment(port: int) -> dict[str, str]:
    """Settings of a run that works on it."""
    return {
        "HOMEOSTAT_S3_ENDPOINT": f"http://127.0.0.1:{port}",
        "HOMEOSTAT_S3_ACCESS_KEY": ACCESS_KEY,
        "HOMEOSTAT_S3_SECRET_KEY": SECRET_KEY,
    }


def bucket_made(port: int) -> bool:
    """Whether it takes objects; makes the bucket."""
    pool = urllib3.PoolManager(retries=False, timeout=5)
    client = Minio(f"127.0.0.1:{port}", access_key=ACCESS_KEY, secret_key=SECRET_KEY, secure=False, http_client=pool)
    try:
        if not client.bucket_exists(BUCKET):
            client.make_bucket(BUCKET)
        client.put_object(BUCKET, "probe", io.BytesIO(b"1"), 1)
    except (MinioException, urllib3.exceptions.HTTPError):
        return False
    return True
