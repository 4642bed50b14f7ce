"""The command of a system that engines are tried against: up and down on the local cluster, never on another."""

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
        name: What it is called.
        about: What `--help` says of it.
        up: Puts it on the cluster; a second call changes nothing.
        down: Takes it away.
    """
    parser = argparse.ArgumentParser(prog=name, description=about)
    parser.add_argument("command", choices=["up", "down"])
    command = parser.parse_args().command
    if context := os.environ.get("CONTEXT"):
        print(f"CONTEXT={context} is a cluster of yours: nothing is tried out there; leave CONTEXT out.")
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
