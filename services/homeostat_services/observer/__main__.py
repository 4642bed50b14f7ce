"""Runs the observer: `python -m homeostat_services.observer`."""

from homeostat.engines.objects.s3 import S3Objects
from homeostat.logs import log_as_json
from homeostat.settings import S3Settings, load
from homeostat_services.access import Guard
from homeostat_services.access.kubernetes import KubernetesReviews, connect
from homeostat_services.observer.app import create_app
from homeostat_services.observer.export import Exporter
from homeostat_services.observer.settings import ObserverServiceSettings
from homeostat_services.observer.store import Store, open_database
from homeostat_services.web import serve


def main() -> None:
    """Read the settings, open the database, serve until SIGTERM."""
    log_as_json()
    settings, s3 = load(ObserverServiceSettings), load(S3Settings)
    store = Store(open_database(settings.database), settings.match_tolerance)
    exporter = Exporter(store, S3Objects(s3), s3.bucket)
    serve(create_app(store, exporter, Guard(KubernetesReviews(connect("homeostat-observer"))), settings))


if __name__ == "__main__":
    main()
