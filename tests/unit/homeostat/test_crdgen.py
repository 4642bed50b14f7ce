from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ConfigDict, Field

from homeostat.api.common import map_list, rule
from homeostat.api.crdgen.__main__ import generated, outdated
from homeostat.api.crdgen.definition import Kind, definition
from homeostat.api.crdgen.reference import reference
from homeostat.api.crdgen.schema import Schema, SchemaError, structural
from homeostat.api.v1alpha1 import KINDS, FeatureSet, TrainingJob

Described = Annotated[str, Field(description="A text.", max_length=9)]


class Inner(BaseModel):
    """What an inner thing is."""

    size: Annotated[int, Field(description="Its size.", gt=0, lt=10)] = 3


def schema_of(annotation: Any, default: Any = ..., *, defaults: bool = True) -> Schema:
    """Schema of a field `it` with this annotation."""
    model = type(
        "Thing",
        (BaseModel,),
        {"__annotations__": {"it": annotation}, "__doc__": "A thing."} | ({} if default is ... else {"it": default}),
    )
    properties: Schema = structural(model, "Thing", defaults=defaults)["properties"]
    found: Schema = properties["it"]
    return found


def test_a_reference_is_written_out_and_bears_the_description_of_the_field() -> None:
    found = schema_of(Annotated[Inner, Field(description="The inner thing.")])
    assert found["description"] == "The inner thing."
    assert found["properties"]["size"]["type"] == "integer"
    assert "title" not in found


def test_an_optional_field_is_one_that_may_be_absent_and_never_null() -> None:
    assert schema_of(Annotated[Inner | None, Field(description="Or none.")], None) == {
        "description": "Or none.",
        "type": "object",
        "properties": schema_of(Annotated[Inner, Field(description="x")])["properties"],
    }


def test_a_text_that_may_be_a_number_is_an_integer_or_a_string() -> None:
    amount = Annotated[
        str, Field(description="How much.", max_length=9, json_schema_extra={"x-kubernetes-int-or-string": True})
    ]
    assert schema_of(amount) == {
        "description": "How much.",
        "anyOf": [{"type": "integer"}, {"type": "string"}],
        "maxLength": 9,
        "x-kubernetes-int-or-string": True,
    }


def test_exclusive_bounds_of_integers_become_inclusive_ones() -> None:
    size = schema_of(Annotated[Inner, Field(description="x")])["properties"]["size"]
    assert (size["minimum"], size["maximum"], size["format"], size["default"]) == (1, 9, "int64", 3)


def test_the_default_of_an_object_is_left_to_its_fields() -> None:
    assert schema_of(Annotated[Inner, Field(description="x")], Inner())["default"] == {}


def test_a_status_has_no_defaults() -> None:
    assert "default" not in schema_of(Described, "a", defaults=False)


def test_a_time_needs_no_bound() -> None:
    assert schema_of(Annotated[datetime, Field(description="When.")])["format"] == "date-time"


def test_markers_for_kubernetes_are_kept() -> None:
    listed = Annotated[list[Inner], Field(description="Things.", max_length=2, json_schema_extra=map_list("size"))]
    assert schema_of(listed)["x-kubernetes-list-map-keys"] == ["size"]


def test_items_are_described_by_their_class_and_plain_ones_by_their_list() -> None:
    things = Annotated[list[Inner], Field(description="Things.", max_length=2)]
    assert schema_of(things)["items"]["description"] == "What an inner thing is."
    texts = Annotated[list[Annotated[str, Field(max_length=3)]], Field(description="Texts.", max_length=2)]
    assert schema_of(texts)["items"]["description"] == "Texts."


@pytest.mark.parametrize(
    ("annotation", "problem"),
    [
        (Annotated[str, Field(description="x")], "maxLength"),
        (Annotated[list[Described], Field(description="x")], "maxItems"),
        (Annotated[dict[str, Described], Field(description="x")], "maxProperties"),
        (Annotated[float, Field(description="x")], "float"),
        (Annotated[int, Field()], "description"),
        (Annotated[int | Described, Field(description="x")], "one of 2 types"),
        (Annotated[Any, Field(description="x")], "any type"),
        (Annotated[tuple[int, int], Field(description="x")], "prefixItems"),
    ],
)
def test_what_is_unbounded_or_has_no_structural_form_is_refused_with_its_path(annotation: Any, problem: str) -> None:
    with pytest.raises(SchemaError, match=rf"^Thing\.it.*{problem}"):
        schema_of(annotation)


def rules_of(kind: Kind) -> list[str]:
    spec = definition(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return [found["rule"] for found in spec["x-kubernetes-validations"]]


def test_every_field_of_a_training_job_but_suspend_has_a_rule_of_immutability() -> None:
    fields = definition(TrainingJob)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"][
        "properties"
    ]
    fixed = {name for name in fields if any(f"self.{name} == oldSelf.{name}" in text for text in rules_of(TrainingJob))}
    assert fixed == set(fields) - {"suspend"}


def test_rules_of_the_model_come_before_those_that_compare() -> None:
    assert "expectations" in rules_of(FeatureSet)[0]
    assert "oldSelf" in rules_of(FeatureSet)[-1]


def test_rules_of_a_class_are_kept() -> None:
    class Ruled(BaseModel):
        """Ruled."""

        model_config = ConfigDict(json_schema_extra={"x-kubernetes-validations": [rule("true", "never")]})

    found = structural(Ruled, "Ruled", defaults=True)
    assert found["x-kubernetes-validations"] == [{"rule": "true", "message": "never"}]


def test_a_template_in_a_chart_is_gated_and_kept() -> None:
    text = generated()[Path("charts/homeostat/templates/crds/monitors.yaml")]
    assert "{{- if .Values.crds.install }}" in text
    assert "helm.sh/resource-policy: keep" in text
    assert text.count("{{") == 2


def test_the_reference_has_every_kind_and_names_a_template_instead_of_repeating_it() -> None:
    text = generated()[Path("docs/reference/api.md")]
    assert all(f"## {kind.KIND}\n" in text for kind in KINDS)
    assert "See [TrainingJob spec](#trainingjob-spec)" in text
    assert "retrain.template.spec.dataset" not in text


def test_missing_changed_and_left_over_files_are_named(tmp_path: Path) -> None:
    for path, content in generated().items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(content)
    assert outdated(tmp_path) == []
    (tmp_path / "docs/reference/api.md").unlink()
    (tmp_path / "manifests/crds/monitors.yaml").write_text("")
    (tmp_path / "manifests/crds/old.yaml").write_text("")
    assert [str(path) for path in outdated(tmp_path)] == [
        "docs/reference/api.md",
        "manifests/crds/monitors.yaml",
        "manifests/crds/old.yaml",
    ]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.KIND)
def test_no_item_of_a_list_has_a_default_so_that_no_tool_sees_a_difference_from_git(kind: Any) -> None:
    assert [path for path in _defaults(definition(kind)) if "[]" in path] == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.KIND)
def test_an_object_that_no_operator_has_seen_is_behind_its_generation(kind: Any) -> None:
    schema = definition(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]
    assert schema["default"] == {"observedGeneration": -1}
    assert schema["properties"]["observedGeneration"]["minimum"] == -1


def _defaults(node: Any, path: str = "") -> Iterator[str]:
    if isinstance(node, dict):
        if "default" in node and "type" in node:
            yield path
        for key, value in node.items():
            yield from _defaults(value, f"{path}[]" if key == "items" else f"{path}.{key}")
    elif isinstance(node, list):
        for value in node:
            yield from _defaults(value, path)


def test_a_default_in_a_list_is_named_in_the_description() -> None:
    rows = reference(KINDS)
    assert "| rollout.steps[].minDuration | string |  |" in rows
    assert "default 60s." in next(line for line in rows.splitlines() if "steps[].minDuration" in line)
