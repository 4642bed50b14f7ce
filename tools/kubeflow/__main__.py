"""`python -m kubeflow up|down`: what `make kubeflow-up` and `make kubeflow-down` run."""

import sys

from cluster.counterpart import main
from kubeflow import install

if __name__ == "__main__":
    sys.exit(main("kubeflow", __doc__, install.up, install.down))
