from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from contract.router.gateway import Gateway, answered, until_routed


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    """Two versions of two pods each; all traffic goes to v1."""
    gateway = Gateway(tmp_path)
    try:
        for version in ("v1", "v2"):
            for number in (1, 2):
                gateway.add_pod(f"{version}-{number}", version)
        gateway.split(v1=100)
        gateway.start_router()
        await until_routed(gateway)  # before Envoy, which would only take its CPU time
        gateway.start_envoy()
        await answered(gateway, lambda response: response.status_code == 200)
        yield gateway
    finally:
        for name in list(gateway.processes):
            gateway.kill(name)
