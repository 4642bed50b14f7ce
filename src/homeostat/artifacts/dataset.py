"""Dataset bundles: labelled rows with features, split by entity into rows to train on and rows to judge on."""

import hashlib

TRAIN, HOLDOUT = "train.parquet", "holdout.parquet"

TIME, LABEL = "homeostat_time", "homeostat_label"
"""Columns beside the entity and the features: when the prediction was made, and what came of it."""


def held_out(model: str, entity: str, percent: int) -> bool:
    """Whether an entity belongs to the holdout of a model, whatever the seed, the window and the other entities.

    Args:
        model: `<namespace>.<model>`.
        entity: Key of the entity as text.
        percent: Share of entities in the holdout.
    """
    return int(hashlib.sha256(f"{model}/{entity}".encode()).hexdigest()[:8], 16) % 100 < percent
