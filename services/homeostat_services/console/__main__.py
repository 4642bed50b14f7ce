"""Runs the console: `python -m homeostat_services.console`."""

from homeostat.logs import log_as_json
from homeostat_services.access import Guard
from homeostat_services.access.kubernetes import KubernetesReviews, connect
from homeostat_services.console.app import create_app
from homeostat_services.web import serve

# Live pages hold their connection open for ever: there is little to drain.
DRAIN_SECONDS = 2


def main() -> None:
    """Serve until SIGTERM."""
    log_as_json()
    cluster = connect("homeostat-console")
    serve(create_app(cluster, Guard(KubernetesReviews(cluster))), drain_seconds=DRAIN_SECONDS)


if __name__ == "__main__":
    main()
