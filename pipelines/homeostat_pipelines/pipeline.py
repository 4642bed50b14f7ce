"""The KFP pipeline `tabular`, as compiled to `pipelines/compiled`.

The bodies of the components are what KFP ships; they only call `steps`, which the image holds.
"""

from typing import NamedTuple

from kfp import dsl

NAME = "tabular"

# The engine that submits the package puts the platform's image here.
IMAGE = "homeostat/pipelines"


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def build_dataset(job: str) -> NamedTuple("Outputs", [("dataset", str), ("started", float)]):  # type: ignore[valid-type]  # the form that KFP documents
    """Joins labels with features and splits off the holdout."""
    import time  # noqa: PLC0415 - KFP ships this function alone

    from homeostat_pipelines import steps  # noqa: PLC0415 - as above

    started = time.time()
    return (steps.build_dataset(job), started)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def train(
    job: str,
    dataset: str,
    family: str,
    learning_rate: float,
    max_iter: int,
    max_leaf_nodes: int,
    min_samples_leaf: int,
    l2_regularization: float,
    n_estimators: int,
    num_leaves: int,
    min_child_samples: int,
    min_child_weight: float,
    reg_lambda: float,
    subsample: float,
    colsample_bytree: float,
    max_depth: int,
    max_features: float,
) -> str:
    """Trains the model and stores it as ONNX."""
    given = dict(locals())

    from homeostat_pipelines import steps  # noqa: PLC0415 - KFP ships this function alone

    return steps.train(given.pop("job"), given.pop("dataset"), given)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def test(job: str, dataset: str, model: str, pipeline_digest: str, started: float) -> None:
    """Measures the model on the holdout and writes the result."""
    from homeostat_pipelines import steps  # noqa: PLC0415 - KFP ships this function alone

    steps.assess(job, dataset, model, pipeline_digest, started)


@dsl.pipeline(name=NAME, description="A model of entities by their features, from labels to a tested ONNX graph.")
def tabular(
    job: str,
    pipeline_digest: str = "",
    family: str = "hist-gradient-boosting",
    learning_rate: float = -1.0,
    max_iter: int = -1,
    max_leaf_nodes: int = -1,
    min_samples_leaf: int = -1,
    l2_regularization: float = -1.0,
    n_estimators: int = -1,
    num_leaves: int = -1,
    min_child_samples: int = -1,
    min_child_weight: float = -1.0,
    reg_lambda: float = -1.0,
    subsample: float = -1.0,
    colsample_bytree: float = -1.0,
    max_depth: int = -1,
    max_features: float = -1.0,
) -> None:
    """Build dataset, train, test; a parameter of -1 is left to the family.

    Args:
        job: `homeostat.runs.TrainInput` as JSON.
        pipeline_digest: Digest of this package, for provenance.
        family: hist-gradient-boosting, lightgbm, xgboost, random-forest, extra-trees or linear.
        learning_rate: Shrinkage of each tree.
        max_iter: Number of trees; of linear, steps at most.
        max_leaf_nodes: Leaves of each tree at most.
        min_samples_leaf: Rows in each leaf at least.
        l2_regularization: Penalty on leaf values or coefficients.
        n_estimators: Number of trees.
        num_leaves: Leaves of each tree at most.
        min_child_samples: Rows in each leaf at least.
        min_child_weight: Sum of second derivatives in each leaf at least.
        reg_lambda: Penalty on leaf values.
        subsample: Share of the rows that a tree is grown on.
        colsample_bytree: Share of the columns that a tree is grown on.
        max_depth: Depth of each tree at most.
        max_features: Share of the columns that a split is chosen among.
    """
    built = build_dataset(job=job).set_caching_options(enable_caching=False)
    trained = train(
        job=job,
        dataset=built.outputs["dataset"],
        family=family,
        learning_rate=learning_rate,
        max_iter=max_iter,
        max_leaf_nodes=max_leaf_nodes,
        min_samples_leaf=min_samples_leaf,
        l2_regularization=l2_regularization,
        n_estimators=n_estimators,
        num_leaves=num_leaves,
        min_child_samples=min_child_samples,
        min_child_weight=min_child_weight,
        reg_lambda=reg_lambda,
        subsample=subsample,
        colsample_bytree=colsample_bytree,
        max_depth=max_depth,
        max_features=max_features,
    ).set_caching_options(enable_caching=False)
    test(
        job=job,
        dataset=built.outputs["dataset"],
        model=trained.output,
        pipeline_digest=pipeline_digest,
        started=built.outputs["started"],
    ).set_caching_options(enable_caching=False)
