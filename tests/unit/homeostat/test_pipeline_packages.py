"""Compiled pipelines: where they are read from, what is refused about them, and how parameters become their inputs."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from homeostat.api.v1alpha1.pods import Resources
from homeostat.api.v1alpha1.trainingjob import PipelineRef
from homeostat.engines.objects.memory import MemoryObjects
from homeostat.engines.runs import RunRequest, parameters
from homeostat.engines.runs.packages import Package, Packages, bundled, parse
from homeostat.pod_settings import NodePool
from homeostat.reconcile.errors import InvalidSpec, ObjectNotFound
from homeostat.testing.builders import a_training_job
from support.runs import a_request, a_train_input, rendered

COMPILED = Path(__file__).parents[3] / "pipelines" / "compiled"
URI = "s3://homeostat/churn/pipelines/own.yaml"
JOB: dict[str, Any] = {"parameterType": "STRING"}
DOCUMENT = a_train_input()


def a_spec(inputs: dict[str, Any] | None = None, **container: Any) -> dict[str, Any]:
    return {
        "pipelineInfo": {"name": "own"},
        "schemaVersion": "2.1.0",
        "root": {"inputDefinitions": {"parameters": {"job": JOB} if inputs is None else inputs}},
        "deploymentSpec": {"executors": {"exec-one": {"container": {"image": "own/image:1", **container}}}},
    }


def a_package(**container: Any) -> Package:
    return parse(yaml.safe_dump(a_spec(**container)).encode(), "spec.pipeline.uri 'u'")


def an_attempt(package: Package, pool: NodePool | None = None, **placement: Any) -> RunRequest:
    job = a_training_job(pipeline={"uri": URI}, placement=placement)
    return a_request(job, package=package, resources=Resources(requests={"cpu": "500m"}), pool=pool)


def packages(objects: dict[str, bytes] | None = None, config_map: dict[str, str] | None = None) -> Packages:
    found = {"metadata": {"name": "own"}, "data": config_map} if config_map is not None else None
    return Packages(COMPILED, MemoryObjects(objects), lambda *_: found)


def named(**spec: Any) -> tuple[str, PipelineRef]:
    """Namespace of a TrainingJob and the pipeline that its spec names."""
    job = a_training_job(**spec)
    return job.metadata.namespace, job.spec.pipeline


def test_a_package_is_read_from_the_object_store_or_a_config_map_or_the_platform() -> None:
    content = yaml.safe_dump(a_spec())
    of_uri = packages({URI: content.encode()}).load(*named(pipeline={"uri": URI}))
    reference = {"config_map_ref": {"name": "own"}}
    of_map = packages(config_map={"pipeline.yaml": content}).load(*named(pipeline=reference))
    assert of_uri == of_map
    assert of_uri.name == "own"
    own = packages().load(*named())
    assert own.name == "tabular"
    assert own.digest != of_uri.digest


@pytest.mark.parametrize(
    ("held", "pipeline", "words"),
    [
        (packages(), {"uri": URI}, f"spec.pipeline.uri '{URI}' is not there"),
        (packages(), {"config_map_ref": {"name": "own"}}, "'own' does not exist in namespace 'churn'"),
        (packages(config_map={}), {"config_map_ref": {"name": "own"}}, "no entry 'pipeline.yaml': it is empty"),
        (
            packages(config_map={"b": "", "a": ""}),
            {"config_map_ref": {"name": "own", "key": "c"}},
            "no entry 'c': it has a, b; add",
        ),
    ],
)
def test_a_package_that_is_not_there_is_reported_by_its_place(held: Packages, pipeline: Any, words: str) -> None:
    with pytest.raises(ObjectNotFound, match=words):
        held.load(*named(pipeline=pipeline))


def without(field: str) -> dict[str, Any]:
    return {name: value for name, value in a_spec().items() if name != field}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a: [", "'u' is not valid YAML"),
        ("", "'u' holds 0 pipeline specs"),
        ("just text", "'u' holds 0 pipeline specs"),
        (f"{yaml.safe_dump(a_spec())}---\n{yaml.safe_dump(a_spec())}", "'u' holds 2 pipeline specs"),
        (yaml.safe_dump({"kind": "Workflow"}), "give the YAML that kfp 2 compiles"),
        (yaml.safe_dump({**a_spec(), "schemaVersion": "2.2.0"}), "schemaVersion: Input should be '2.1.0'"),
        (yaml.safe_dump(without("root")), "root: Field required"),
        (yaml.safe_dump(without("deploymentSpec")), "deploymentSpec: Field required"),
        (yaml.safe_dump({**a_spec(), "pipelineInfo": {}}), "pipelineInfo.name: Field required"),
        (yaml.safe_dump(a_spec({})), "declares no input 'job' of type STRING; declare it"),
        (yaml.safe_dump(a_spec({"job": {"parameterType": "STRUCT"}})), "declares no input 'job' of type STRING"),
    ],
)
def test_what_is_no_pipeline_of_a_training_is_refused_with_field_and_remedy(content: str, words: str) -> None:
    with pytest.raises(InvalidSpec, match=words):
        parse(content.encode(), "spec.pipeline.uri 'u'")


def test_an_artifact_that_nothing_can_give_is_refused_by_its_name() -> None:
    spec = a_spec()
    spec["root"]["inputDefinitions"]["artifacts"] = {"rows": {}, "more": {"isOptional": True}}
    with pytest.raises(InvalidSpec, match="needs the input artifact 'rows'"):
        parse(yaml.safe_dump(spec).encode(), "spec.pipeline.uri 'u'")


def test_a_pipeline_that_does_not_ship_is_answered_with_those_that_do() -> None:
    with pytest.raises(InvalidSpec, match="'regression' is unknown; use one of tabular"):
        bundled(COMPILED, "regression")


DECLARED: dict[str, dict[str, Any]] = {
    "job": JOB,
    "rate": {"parameterType": "NUMBER_DOUBLE", "defaultValue": 0.1},
    "trees": {"parameterType": "NUMBER_INTEGER", "isOptional": True},
    "fast": {"parameterType": "BOOLEAN", "isOptional": True},
    "columns": {"parameterType": "LIST", "isOptional": True},
    "options": {"parameterType": "STRUCT", "isOptional": True},
    "title": {"parameterType": "STRING"},
}


def test_texts_become_values_of_the_declared_types() -> None:
    given = {"title": "1", "rate": "1e-3", "trees": "7", "fast": "true", "columns": '["a"]', "options": '{"a": 1}'}
    assert parameters.arguments(DECLARED, given) == {
        "title": "1",
        "rate": 0.001,
        "trees": 7,
        "fast": True,
        "columns": ["a"],
        "options": {"a": 1},
    }


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "lacks 'title', which the pipeline needs; give it a value"),
        ({"title": "", "job": "{}"}, "'job' is unknown; the pipeline has columns, fast, options, rate, title, trees"),
        ({"title": "", "rate": "fast"}, "'rate' is 'fast'; write a number"),
        ({"title": "", "rate": "nan"}, "'rate' is 'nan'; write a number"),
        ({"title": "", "trees": "1.5"}, "'trees' is '1.5'; write a whole number"),
        ({"title": "", "fast": "yes"}, "'fast' is 'yes'; write true or false"),
        ({"title": "", "columns": "a"}, "'columns' is 'a'; write a JSON list"),
        ({"title": "", "options": "[]"}, r"'options' is '\[\]'; write a JSON object"),
    ],
)
def test_wrong_parameters_are_named_with_their_value_and_the_remedy(given: dict[str, str], words: str) -> None:
    with pytest.raises(InvalidSpec, match=words):
        parameters.arguments(DECLARED, given)


def test_the_digest_is_passed_to_a_pipeline_that_asks_for_it() -> None:
    assert set(a_package().arguments(DOCUMENT, {})) == {"job"}
    asking = parse(yaml.safe_dump(a_spec({"job": JOB, "pipeline_digest": JOB})).encode(), "u")
    assert asking.arguments(DOCUMENT, {})["pipeline_digest"] == asking.digest


def test_a_users_step_keeps_its_image_and_resources_and_gets_secret_and_nodes() -> None:
    newer = {"cpuLimit": 0.5, "resourceCpuLimit": "500m", "accelerator": {"type": "g", "resourceType": "g"}}
    attempt = an_attempt(a_package(resources=newer), NodePool(node_selector={"pool": "a100"}))
    spec, platform = yaml.safe_load_all(rendered(attempt))
    container = spec["deploymentSpec"]["executors"]["exec-one"]["container"]
    assert container["image"] == "own/image:1"
    assert container["resources"] == {"cpuLimit": 0.5, "accelerator": {"type": "g"}}, "as the backend 2.0 spells them"
    said = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]["exec-one"]
    assert said["nodeSelector"] == {"labels": {"pool": "a100"}}
    assert [one["secretName"] for one in said["secretAsEnv"]] == ["homeostat-platform"]


def test_what_a_users_step_asks_of_kubernetes_stays() -> None:
    own = {"secretAsEnv": [{"secretName": "mine", "keyToEnv": []}], "nodeSelector": {"labels": {"disk": "ssd"}}}
    platform = {"platforms": {"kubernetes": {"deploymentSpec": {"executors": {"exec-one": own}}}}}
    package = parse(yaml.safe_dump_all([a_spec(), platform]).encode(), "u")
    _, shown = yaml.safe_load_all(rendered(an_attempt(package, NodePool(node_selector={"pool": "a100"}))))
    said = shown["platforms"]["kubernetes"]["deploymentSpec"]["executors"]["exec-one"]
    assert [one["secretName"] for one in said["secretAsEnv"]] == ["mine", "homeostat-platform"]
    assert said["nodeSelector"] == {"labels": {"disk": "ssd", "pool": "a100"}}


def test_an_importer_which_has_no_container_is_left_as_it_is() -> None:
    spec = a_spec()
    spec["deploymentSpec"]["executors"]["exec-rows"] = {"importer": {"artifactUri": {"constant": "s3://a/b"}}}
    shown, platform = yaml.safe_load_all(rendered(an_attempt(parse(yaml.safe_dump(spec).encode(), "u"))))
    assert shown["deploymentSpec"]["executors"]["exec-rows"] == spec["deploymentSpec"]["executors"]["exec-rows"]
    assert set(platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]) == {"exec-one"}
