"""`python -m tools.kubeflow up|down`: what `make kubeflow-up` and `make kubeflow-down` run."""

import sys

from tools.cluster.backend import main
from tools.kubeflow import install

if __name__ == "__main__":
    sys.exit(main("kubeflow", __doc__, install.up, install.down))
