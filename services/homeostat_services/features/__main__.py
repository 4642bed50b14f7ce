"""Runs the features service: `python -m homeostat_services.features`."""

from homeostat.engines.features.reader import FeatureReader
from homeostat.logs import log_as_json
from homeostat.settings import OnlineStoreSettings, load
from homeostat_services.access import Guard
from homeostat_services.access.kubernetes import KubernetesReviews, connect
from homeostat_services.features.app import create_app
from homeostat_services.web import serve


def main() -> None:
    """Read the settings, serve until SIGTERM."""
    log_as_json()
    serve(create_app(FeatureReader(load(OnlineStoreSettings)), Guard(KubernetesReviews(connect("homeostat-features")))))


if __name__ == "__main__":
    main()
