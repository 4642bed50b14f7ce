"""A FeatureSet and a holdout as runs read them, and the hash that tells layouts of an online store apart."""

import json

from homeostat.api.common import parse_duration
from homeostat.api.v1alpha1 import FeatureSet
from homeostat.api.v1alpha1.dataset import Dataset
from homeostat.artifacts.bundle import digest_of
from homeostat.artifacts.holdout import Holdout
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


def holdout_of(dataset: Dataset) -> Holdout:
    """The holdout of a spec as trainings, the gate and the observer take it."""
    form = dataset.holdout
    if form is None:
        return Holdout()
    latest = None if form.latest is None else int(parse_duration(form.latest).total_seconds())
    refit = form.refit is not False
    return Holdout(percent=form.percent, group_by=form.group_by or "", latest_seconds=latest, refit=refit)
