"""The KFP pipeline `tabular-classification`, as compiled to `pipelines/compiled`.

The bodies of the components are what KFP ships; they only call `steps`, which the image holds.
"""

from typing import NamedTuple

from kfp import dsl

NAME = "tabular-classification"

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
    learning_rate: float,
    max_iter: int,
    max_leaf_nodes: int,
    min_samples_leaf: int,
    l2_regularization: float,
) -> str:
    """Trains the model and stores it as ONNX."""
    from homeostat_pipelines import steps  # noqa: PLC0415 - KFP ships this function alone

    return steps.train(
        job,
        dataset,
        {
            "learning_rate": learning_rate,
            "max_iter": max_iter,
            "max_leaf_nodes": max_leaf_nodes,
            "min_samples_leaf": min_samples_leaf,
            "l2_regularization": l2_regularization,
        },
    )


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def test(job: str, dataset: str, model: str, pipeline_digest: str, started: float) -> None:
    """Measures the model on the holdout and writes the result."""
    from homeostat_pipelines import steps  # noqa: PLC0415 - KFP ships this function alone

    steps.assess(job, dataset, model, pipeline_digest, started)


@dsl.pipeline(name=NAME, description="A classifier of entities by their features, from labels to a tested ONNX model.")
def tabular_classification(
    job: str,
    pipeline_digest: str = "",
    learning_rate: float = 0.1,
    max_iter: int = 100,
    max_leaf_nodes: int = 31,
    min_samples_leaf: int = 20,
    l2_regularization: float = 0.0,
) -> None:
    """Build dataset, train, test.

    Args:
        job: `homeostat.runs.TrainInput` as JSON.
        pipeline_digest: Digest of this package, for provenance.
        learning_rate: Shrinkage of each tree.
        max_iter: Number of trees.
        max_leaf_nodes: Leaves of each tree at most.
        min_samples_leaf: Rows in each leaf at least.
        l2_regularization: Penalty on leaf values.
    """
    built = build_dataset(job=job).set_caching_options(enable_caching=False)
    trained = train(
        job=job,
        dataset=built.outputs["dataset"],
        learning_rate=learning_rate,
        max_iter=max_iter,
        max_leaf_nodes=max_leaf_nodes,
        min_samples_leaf=min_samples_leaf,
        l2_regularization=l2_regularization,
    ).set_caching_options(enable_caching=False)
    test(
        job=job,
        dataset=built.outputs["dataset"],
        model=trained.output,
        pipeline_digest=pipeline_digest,
        started=built.outputs["started"],
    ).set_caching_options(enable_caching=False)
