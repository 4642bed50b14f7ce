"""The run of a materialisation, and its input."""

import hashlib
import json

from homeostat.api.v1alpha1 import FeatureSet
from homeostat.api.v1alpha1.featureset import MaterializationRun
from homeostat.artifacts.features import feature_source
from homeostat.artifacts.layout import snapshots_prefix
from homeostat.engines.runs import MATERIALIZE, RunRequest, RunShape
from homeostat.reconcile.pod_templates import completed
from homeostat.runs import MaterializeInput, SnapshotRecord, run_prefix
from homeostat_operators.featureset.observed import FeatureSetObservation

DEADLINE_SECONDS = 3600
"""A hung run would keep every later one waiting."""

TTL_SECONDS = 600


FULL = "full"
"""Beginning of a request for a run that reads all files, whatever is known of them."""


def materialize_input(resource: FeatureSet, run: MaterializationRun, bucket: str) -> MaterializeInput:
    """What a run is told."""
    meta, snapshot = resource.metadata, resource.status.snapshot
    previous = None
    if snapshot is not None:
        known = {name: getattr(snapshot, name) for name in SnapshotRecord.model_fields}
        previous = SnapshotRecord(**known)
    return MaterializeInput(
        namespace=meta.namespace,
        feature_set=feature_source(resource),
        source_uri=resource.spec.source.parquet.uri,
        expectations=resource.spec.expectations,
        snapshots=snapshots_prefix(bucket, meta.namespace, meta.name),
        output=run_prefix(bucket, meta.namespace, meta.uid, run.number, MATERIALIZE),
        previous=previous,
        full=run.full,
    )


def input_hash(resource: FeatureSet) -> str:
    """``sha256:`` and the hash of what a run reads from the spec: a change of it asks for a run."""
    spec = resource.spec
    read = {"entities", "timestamp_field", "features", "source", "ttl", "online", "expectations"}
    return _hash(json.dumps(spec.model_dump(mode="json", by_alias=True, include=read), sort_keys=True))


def materialization(resource: FeatureSet, run: MaterializationRun, observed: FeatureSetObservation) -> RunRequest:
    """What is run under the number of a run."""
    pods = completed(resource.spec.placement, observed.pods)
    shape = RunShape(pods.resources, DEADLINE_SECONDS, TTL_SECONDS, pods.pod_template)
    document = materialize_input(resource, run, observed.bucket)
    return RunRequest(resource, MATERIALIZE, run.number, document, observed.image, shape)


def _hash(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
