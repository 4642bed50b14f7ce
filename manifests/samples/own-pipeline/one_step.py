"""A custom pipeline on Kubeflow Pipelines: the whole training in one step, so in one pod instead of three.

kfp dsl compile --py one_step.py --output one_step.yaml
kubectl -n churn create configmap one-step --from-file=pipeline.yaml=one_step.yaml
kubectl -n churn apply -f trainingjob.yaml
"""

from kfp import dsl


# A custom image is used unchanged; this name is replaced by the platform's own image, which has all dependencies of the steps.
@dsl.component(base_image="homeostat/pipelines", install_kfp_package=False)
def train(job: str, pipeline_digest: str, max_iter: int) -> None:
    """Builds the dataset, trains and evaluates; the last call writes result.json."""
    import time  # noqa: PLC0415 - KFP ships this function alone

    from homeostat_pipelines import steps  # noqa: PLC0415 - as above

    started = time.time()
    dataset = steps.build_dataset(job)
    model = steps.train(job, dataset, {"max_iter": max_iter})
    steps.assess(job, dataset, model, pipeline_digest, started)


@dsl.pipeline(name="one-step", description="A classifier, from labels to a tested ONNX model, in one step.")
def one_step(job: str, pipeline_digest: str = "", max_iter: int = 100) -> None:
    """Trains in one step.

    Args:
        job: Input of the run as JSON; every pipeline of a TrainingJob must declare it.
        pipeline_digest: Digest of the compiled package; filled in if declared.
        max_iter: Number of trees.
    """
    train(job=job, pipeline_digest=pipeline_digest, max_iter=max_iter).set_caching_options(enable_caching=False)
