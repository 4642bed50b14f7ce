"""Dataset bundles: labelled rows with features, split by entity into rows to train on and rows to judge on."""

TRAIN, HOLDOUT = "train.parquet", "holdout.parquet"

TIME, LABEL = "homeostat_time", "homeostat_label"
"""Columns beside the entity and the features: when the prediction was made, and what came of it."""
