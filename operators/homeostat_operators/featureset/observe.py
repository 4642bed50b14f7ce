"""What is there of a FeatureSet's runs; the only place of this operator that reads."""

from datetime import datetime

from homeostat.api.v1alpha1 import FeatureSet
from homeostat.engines.runs import MATERIALIZE, local
from homeostat.runs import MaterializeResult
from homeostat_operators.core.clients import Clients
from homeostat_operators.core.runs import observe_run
from homeostat_operators.featureset.observed import FeatureSetObservation


def observe(resource: FeatureSet, clients: Clients, _now: datetime) -> FeatureSetObservation:
    """Reads runs, and the documents of one that has ended or is gone.

    Raises:
        EngineUnavailable: Kubernetes or the object store does not answer.
    """
    run, settings = resource.status.run, clients.settings
    number = run.number if run is not None and run.outcome is None else 0
    engine = clients.runs[local.NAME]
    runs = observe_run(engine, clients.objects, settings.bucket, resource, MATERIALIZE, number, MaterializeResult)
    return FeatureSetObservation(settings.bucket, settings.pipelines_image, runs, settings.materialization_pods)
