"""The command line of a backend: a system of others that engines are tested against, up and down on the local cluster."""

import argparse
import os
import subprocess
from collections.abc import Callable

from tools.cluster import settings
from tools.cluster.progress import console
from tools.cluster.settings import Settings, UserError


def main(name: str, about: str, up: Callable[[Settings], None], down: Callable[[Settings], None]) -> int:
    """Runs one command and returns its exit status.

    Args:
        name: The command's name.
        about: Its description in `--help`.
        up: Installs it; a second call changes nothing.
        down: Removes it.
    """
    parser = argparse.ArgumentParser(prog=name, description=about)
    parser.add_argument("command", choices=["up", "down"])
    command = parser.parse_args().command
    if context := os.environ.get("CONTEXT"):
        print(f"CONTEXT={context} is your own cluster; backends are installed on the local one only. Unset CONTEXT.")
        return 1
    try:
        (up if command == "up" else down)(settings.load())
    except (UserError, TimeoutError) as error:
        console.print(str(error), style="red", markup=False)
        return 1
    except subprocess.CalledProcessError as error:
        console.print(f"{' '.join(map(str, error.cmd[:4]))}: {error.stderr}", style="red", markup=False)
        return 1
    return 0
