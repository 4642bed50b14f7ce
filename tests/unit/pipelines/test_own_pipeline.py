"""The sample of a pipeline of one's own is one that a TrainingJob can name."""

import importlib.util
from pathlib import Path

import yaml
from kfp import compiler

from homeostat.api.v1alpha1 import TrainingJob
from homeostat.engines.runs import parameters
from homeostat.engines.runs.packages import parse

SAMPLE = Path(__file__).parents[3] / "manifests" / "samples" / "own-pipeline"


def test_the_sample_compiles_to_a_package_whose_inputs_the_sample_of_a_training_gives(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("one_step", SAMPLE / "one_step.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    compiler.Compiler().compile(module.one_step, str(tmp_path / "one_step.yaml"))
    package = parse((tmp_path / "one_step.yaml").read_bytes(), "the sample")
    assert (package.name, sorted(package.declared)) == ("one-step", ["job", "max_iter", "pipeline_digest"])
    job = yaml.safe_load((SAMPLE / "trainingjob.yaml").read_text())
    asked = TrainingJob.model_validate(job).spec.pipeline
    given = {parameter.name: parameter.value for parameter in asked.parameters}
    assert parameters.arguments(package.declared, given) == {"max_iter": 60}
