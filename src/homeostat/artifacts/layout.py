"""Where artifacts lie in the platform's bucket: ``s3://<bucket>/<namespace>/…``."""


def datasets_prefix(bucket: str, namespace: str) -> str:
    """Prefix of all dataset bundles of a namespace."""
    return f"s3://{bucket}/{namespace}/datasets/"


def models_prefix(bucket: str, namespace: str, model: str) -> str:
    """Prefix of all bundles of a model."""
    return f"s3://{bucket}/{namespace}/models/{model}/"


def snapshots_prefix(bucket: str, namespace: str, feature_set: str) -> str:
    """Prefix of all snapshots of a FeatureSet."""
    return f"s3://{bucket}/{namespace}/featuresets/{feature_set}/"


def snapshot_uri(prefix: str, digest: str) -> str:
    """The one file of a snapshot; its digest is of the rows, not of the file, which carries its writer's name."""
    return f"{prefix.rstrip('/')}/{digest.removeprefix('sha256:')}/data.parquet"


def source_files_uri(snapshot: str) -> str:
    """The record of the files that a snapshot was made of, beside its file."""
    return f"{snapshot.rpartition('/')[0]}/source.json"


def outcomes_prefix(bucket: str, namespace: str, deployment: str) -> str:
    """Prefix of the exported outcomes of a ModelDeployment."""
    return f"s3://{bucket}/{namespace}/outcomes/{deployment}/"


def outcomes_uri(prefix: str, first: int, last: int) -> str:
    """A part of the exported outcomes, by the range of outcome ids that it holds."""
    return f"{prefix}part-{first}-{last}.parquet"
