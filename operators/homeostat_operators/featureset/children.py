"""The run of a materialisation, and its input."""

import hashlib
import json

from homeostat.api.v1alpha1 import FeatureSet
from homeostat.api.v1alpha1.trainingjob import Resources
from homeostat.artifacts.features import feature_source
from homeostat.artifacts.layout import snapshots_prefix
from homeostat.engines.runs import MATERIALIZE, RunRequest, RunShape
from homeostat.runs import MaterializeInput, run_prefix

SHAPE = RunShape(
    resources=Resources(requests={"cpu": "100m", "memory": "384Mi"}, limits={"memory": "2Gi"}),
    # A hung run would keep every later one waiting.
    deadline_seconds=3600,
    ttl_seconds=600,
)


def materialize_input(resource: FeatureSet, number: int, bucket: str) -> MaterializeInput:
    """What the run of a number is told."""
    meta = resource.metadata
    return MaterializeInput(
        namespace=meta.namespace,
        feature_set=feature_source(resource),
        source_uri=resource.spec.source.parquet.uri,
        expectations=resource.spec.expectations,
        snapshots=snapshots_prefix(bucket, meta.namespace, meta.name),
        output=run_prefix(bucket, meta.namespace, meta.uid, number, MATERIALIZE),
    )


def input_hash(resource: FeatureSet) -> str:
    """``sha256:`` and the hash of what a run reads from the spec: a change of it asks for a run."""
    spec = resource.spec
    read = {"entities", "timestamp_field", "features", "source", "ttl", "online", "expectations"}
    return _hash(json.dumps(spec.model_dump(mode="json", by_alias=True, include=read), sort_keys=True))


def materialization(resource: FeatureSet, number: int, bucket: str, image: str) -> RunRequest:
    """What is run under a number."""
    return RunRequest(resource, MATERIALIZE, number, materialize_input(resource, number, bucket), image, SHAPE)


def _hash(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
