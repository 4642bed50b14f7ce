"""`python -m tools.seldon up|down`: what `make seldon-up` and `make seldon-down` run."""

import sys

from tools.cluster.backend import main
from tools.seldon import install

if __name__ == "__main__":
    sys.exit(main("seldon", __doc__, install.up, install.down))
