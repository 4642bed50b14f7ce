"""`python -m homeostat_services.predictor`: serve one version of one ModelDeployment."""

import multiprocessing
import sys
from collections.abc import Callable
from typing import Any

import structlog
from granian import Granian
from granian.constants import HTTPModes, Interfaces

from homeostat.conventions import HTTP_PORT
from homeostat.engines.objects import ObjectStore
from homeostat.engines.objects.s3 import S3Objects
from homeostat.enums import FeatureMode
from homeostat.logs import log_as_json
from homeostat.reconcile.errors import PlatformError
from homeostat.settings import ObserverSettings, OnlineStoreSettings, S3Settings, load
from homeostat_services.predictor.app import Application
from homeostat_services.predictor.counters import Counters
from homeostat_services.predictor.model import load as load_model
from homeostat_services.predictor.prediction_log import ObserverSink, PredictionLog, Sink
from homeostat_services.predictor.service import OnlineFeatures, Predictor
from homeostat_services.predictor.settings import PredictorSettings

_log = structlog.get_logger()


def assemble(
    settings: PredictorSettings, objects: ObjectStore, online: OnlineFeatures | None, sink: Sink
) -> Application:
    """The application around a model that was fetched, verified and tried.

    Raises:
        PlatformError: The model is not to be served; the text says why.
    """
    model = load_model(objects, settings.model_uri, settings.model_digest)
    counters = Counters(settings.namespace, settings.deployment, settings.version, model.baseline, model.block.numbers)
    models = {settings.version: model.outputs.by} if model.outputs.by else {}
    log = PredictionLog(sink, counters, models)
    return Application(Predictor(settings, model, counters, online, log.put), log)


def from_environment() -> Application:
    """The application that the environment describes."""
    settings = load(PredictorSettings)
    online = _online_store() if settings.features is FeatureMode.LOOKUP else None
    sink = ObserverSink(load(ObserverSettings).url, settings.namespace, settings.deployment)
    return assemble(settings, S3Objects(load(S3Settings)), online, sink)


def _online_store() -> OnlineFeatures:
    # Its client takes a quarter of a second to load, which only predictors that use it should wait for.
    from homeostat.engines.features.reader import FeatureReader  # noqa: PLC0415 - see above

    return FeatureReader(load(OnlineStoreSettings))


def serve(build: Callable[[], Application], host: str, port: int) -> None:
    """Run until SIGTERM, then answer the requests at hand; exits with 1 if the application cannot be built."""

    def build_or_exit() -> Any:
        try:
            application = build()
        except PlatformError as error:
            _log.error("the model is not served", error=str(error))
            sys.exit(1)
        _log.info("serving")
        return application

    # The worker inherits `build`, whatever it closes over; nothing runs yet that a fork could disturb.
    multiprocessing.set_start_method("fork", force=True)
    # One worker: pods scale by their number, and every counter lives in one process.
    server = Granian(
        "predictor", address=host, port=port, interface=Interfaces.RSGI, http=HTTPModes.http1, log_enabled=False
    )
    server.serve(target_loader=build_or_exit, wrap_loader=False)


if __name__ == "__main__":
    log_as_json()
    serve(from_environment, "0.0.0.0", HTTP_PORT)  # noqa: S104 - a pod is reached by its address
