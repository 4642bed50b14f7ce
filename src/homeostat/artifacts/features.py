"""A FeatureSet as runs read it, and the hash that tells layouts of its online store apart."""

import json

from homeostat.api.common import parse_duration
from homeostat.api.v1alpha1 import FeatureSet
from homeostat.artifacts.bundle import digest_of
from homeostat.runs import FeatureSource


def schema_hash(resource: FeatureSet) -> str:
    """``sha256:`` and the hash of entities and features, by which readers of the online store tell layouts apart."""
    spec = resource.spec.model_dump(mode="json", by_alias=True, include={"entities", "features"})
    return digest_of(json.dumps(spec, sort_keys=True).encode())


def feature_source(resource: FeatureSet) -> FeatureSource:
    """A FeatureSet as runs read it, with the snapshot in service if there is one."""
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
