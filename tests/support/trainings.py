"""What a training leaves behind, the snapshot that it needs, and draws of what befalls it."""

from hypothesis import strategies as st

from homeostat.api.common import API_VERSION
from homeostat.api.v1alpha1.featureset import Snapshot
from homeostat.artifacts.bundle import BundleRef
from homeostat.artifacts.features import schema_hash
from homeostat.runs import StoredDataset, TrainResult
from homeostat.testing.builders import DIGEST, a_feature_set
from support.world import Fate, Fault, World

TRAINED = TrainResult(
    metrics={"auc": 0.8},
    model=BundleRef(uri="s3://homeostat/churn/models/churn/1/", digest=DIGEST),
    dataset=StoredDataset(
        uri="s3://homeostat/churn/datasets/1/", digest=DIGEST, rows=80, holdout_rows=20, watermark=None
    ),
    pipeline_digest=DIGEST,
    parameters_hash=DIGEST,
    environment_digest=DIGEST,
    gpu_seconds=0,
)
FAULTS = st.lists(st.sampled_from([Fault.NONE, Fault.NONE, *Fault]), max_size=40)
FATES = st.lists(st.sampled_from(Fate), max_size=8)
LONG = 400
"""Seconds; longer than every back-off of a few failures."""


def put_features(world: World) -> None:
    """FeatureSet `customers` with a snapshot of its present features."""
    source = a_feature_set()
    snapshot = Snapshot(version=1, digest=DIGEST, uri="s3://homeostat/churn/featuresets/customers/1/", rows=100)
    manifest = a_feature_set(status={"snapshot": snapshot.model_dump(), "schema_hash": schema_hash(source)}).model_dump(
        mode="json", by_alias=True, exclude_none=True
    )
    assert manifest["apiVersion"] == API_VERSION
    world.cluster.put(manifest)
