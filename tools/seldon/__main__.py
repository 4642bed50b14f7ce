"""`python -m seldon up|down`: what `make seldon-up` and `make seldon-down` run."""

import argparse
import os
import subprocess
import sys

from cluster import settings
from cluster.progress import console
from cluster.settings import UserError
from seldon import install


def main() -> int:
    """Runs one command and returns its exit status."""
    parser = argparse.ArgumentParser(prog="seldon", description=__doc__)
    parser.add_argument("command", choices=["up", "down"])
    command = parser.parse_args().command
    if context := os.environ.get("CONTEXT"):
        print(f"CONTEXT={context} is a cluster of yours: install Seldon Core there by its own chart.")
        return 1
    try:
        cluster = settings.load()
        if command == "up":
            install.up(cluster)
        else:
            install.down(cluster)
    except (UserError, TimeoutError) as error:
        console.print(str(error), style="red", markup=False)
        return 1
    except subprocess.CalledProcessError as error:
        console.print(f"{error.cmd[0]} failed: {error.stderr}", style="red", markup=False)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
