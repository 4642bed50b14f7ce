"""Processes that outlive the command that started them; each is known by a file with its number, and ended by it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from tools.cluster.settings import REPOSITORY


def start(
    directory: Path, module: str, *arguments: str, environment: dict[str, str] | None = None
) -> subprocess.Popen[str]:
    """Runs ``python -m module words`` in a session of its own; its output goes to ``<module's last part>.log``.

    One that an earlier command left behind is ended first.
    """
    stop(directory, module)
    name = module.rpartition(".")[2]
    with (directory / f"{name}.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments], stdout=log, stderr=log, start_new_session=True, text=True,
            env={**(environment or os.environ), "PYTHONPATH": str(REPOSITORY)},
        )  # fmt: skip
    (directory / f"{name}.pid").write_text(str(process.pid))
    return process


def stop(directory: Path, module: str) -> None:
    """Ends it, if it is ours and still there."""
    path = directory / f"{module.rpartition('.')[2]}.pid"
    if not path.exists():
        return
    pid = int(path.read_text())
    command = Path(f"/proc/{pid}/cmdline")
    if command.exists() and module.encode() in command.read_bytes():
        os.kill(pid, signal.SIGTERM)
    path.unlink()
