"""The Job of a materialisation, and what it is told."""

import hashlib
import json

from homeostat.api.common import parse_duration
from homeostat.api.v1alpha1 import FeatureSet
from homeostat.api.v1alpha1.trainingjob import Resources
from homeostat.cluster import Manifest
from homeostat.engines.runs.jobs import JobShape, run_job
from homeostat.runs import FeatureSource, MaterializeInput, run_prefix
from homeostat_operators.featureset.observe import PURPOSE

SHAPE = JobShape(
    resources=Resources(requests={"cpu": "100m", "memory": "384Mi"}, limits={"memory": "2Gi"}),
    # A hung run would keep every later one waiting.
    deadline_seconds=3600,
    ttl_seconds=600,
)


def schema_hash(resource: FeatureSet) -> str:
    """``sha256:`` and the hash of entities and features, by which readers of the online store tell layouts apart."""
    spec = resource.spec.model_dump(mode="json", by_alias=True, include={"entities", "features"})
    return _hash(json.dumps(spec, sort_keys=True))


def feature_source(resource: FeatureSet) -> FeatureSource:
    """A FeatureSet as runs need it, with the snapshot in service if there is one."""
    spec, snapshot = resource.spec, resource.status.snapshot
    return FeatureSource(
        name=resource.metadata.name,
        entities=spec.entities,
        timestamp_field=spec.timestamp_field,
        features=spec.features,
        ttl_seconds=int(parse_duration(spec.ttl).total_seconds()),
        online_ttl_seconds=int(parse_duration(spec.online.ttl).total_seconds()) if spec.online else None,
        schema_hash=schema_hash(resource),
        snapshot_uri=snapshot.uri if snapshot else "",
        snapshot_digest=snapshot.digest if snapshot else "",
    )


def materialize_input(resource: FeatureSet, number: int, bucket: str) -> MaterializeInput:
    """What the run of a number is told."""
    meta = resource.metadata
    return MaterializeInput(
        namespace=meta.namespace,
        feature_set=feature_source(resource),
        source_uri=resource.spec.source.parquet.uri,
        expectations=resource.spec.expectations,
        snapshots=f"s3://{bucket}/{meta.namespace}/featuresets/{meta.name}/",
        output=run_prefix(bucket, meta.namespace, meta.uid, number, PURPOSE),
    )


def input_hash(resource: FeatureSet) -> str:
    """``sha256:`` and the hash of what a run reads from the spec: a change of it asks for a run."""
    spec = resource.spec
    read = {"entities", "timestamp_field", "features", "source", "ttl", "online", "expectations"}
    return _hash(json.dumps(spec.model_dump(mode="json", by_alias=True, include=read), sort_keys=True))


def materialize_job(resource: FeatureSet, number: int, bucket: str, image: str) -> Manifest:
    """The Job of the run of a number."""
    return run_job(resource, PURPOSE, number, materialize_input(resource, number, bucket), image, SHAPE)


def _hash(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
