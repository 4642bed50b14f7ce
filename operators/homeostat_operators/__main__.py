"""``python -m homeostat_operators <kind>`` runs the operator of one kind."""

import argparse
import importlib
import sys

from homeostat.api.v1alpha1 import KINDS
from homeostat.reconcile.errors import PlatformError
from homeostat_operators import startup


def main() -> int:
    """Runs the operator of the kind that the command line names.

    Returns:
        Exit status: 1 when the process cannot begin its work, with the reason on standard error.
    """
    parser = argparse.ArgumentParser(prog="homeostat_operators", description=__doc__)
    parser.add_argument("kind", choices=[kind.KIND.lower() for kind in KINDS])
    kind: str = parser.parse_args().kind
    # By name, so that this module need not know the kinds; libraries, not a kind's own code, take the time and the memory.
    wiring = importlib.import_module(f"homeostat_operators.{kind}.wiring")
    try:
        startup.run(wiring.OPERATOR)
    except PlatformError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
