from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from homeostat.api.common import Decimal, decimal, format_duration, parse_duration
from homeostat.api.v1alpha1.dataset import LabelSource
from homeostat.api.v1alpha1.featureset import RESERVED_NAMES
from homeostat.artifacts.dataset import LABEL, TIME
from homeostat.testing.builders import a_feature_set, a_model_deployment, a_monitor, a_training_job


@given(st.integers(0, 999), st.integers(0, 59), st.integers(0, 59))
def test_a_duration_is_the_sum_of_its_parts(hours: int, minutes: int, seconds: int) -> None:
    assert parse_duration(f"{hours}h{minutes}m{seconds}s") == timedelta(hours=hours, minutes=minutes, seconds=seconds)


@given(st.integers(1, 10**9))
def test_a_duration_in_a_message_has_the_form_of_the_spec(seconds: int) -> None:
    assert parse_duration(format_duration(timedelta(seconds=seconds))) == timedelta(seconds=seconds)


@pytest.mark.parametrize(("seconds", "text"), [(0, "0s"), (60, "1m"), (90, "1m30s"), (5400, "1h30m"), (7201, "2h1s")])
def test_a_duration_in_a_message_has_no_empty_parts(seconds: int, text: str) -> None:
    assert format_duration(timedelta(seconds=seconds)) == text


@pytest.mark.parametrize("text", ["", "5", "1d", "-1h", "1h ", "1h\n"])
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="for example 1h30m"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["0s", "0h0m0s", "87600h1s", "99999999999999h"])
def test_a_duration_of_a_spec_is_more_than_nothing_and_at_most_ten_years(text: str) -> None:
    with pytest.raises(ValidationError, match=r"87600h \(ten years\)"):
        a_feature_set(ttl=text)
    assert a_feature_set(ttl="87600h").spec.ttl == "87600h"


def test_an_unknown_field_is_refused_by_name() -> None:
    with pytest.raises(ValidationError, match="materialisation"):
        a_feature_set(materialisation={"schedule": "0 * * * *"})


def test_an_expectation_on_an_unknown_feature_is_named_with_the_remedy() -> None:
    with pytest.raises(ValidationError, match=r"expectations\[0\]\.feature 'tenor' .*use one of .*tenure"):
        a_feature_set(expectations=[{"feature": "tenor", "rule": "NotNull"}])


@pytest.mark.parametrize("name", ["customer_id", "observed_at", "probability", "homeostat_time", "homeostat_label"])
def test_a_feature_with_a_name_that_is_taken_is_refused_by_name(name: str) -> None:
    with pytest.raises(ValidationError, match=rf"features\[1\]\.name '{name}' cannot be used: .*; rename or remove it"):
        a_feature_set(features=[{"name": "a", "type": "Bool"}, {"name": name, "type": "Float64"}], expectations=[])


@pytest.mark.parametrize("name", ["observed_at", "probability", "homeostat_time", "homeostat_label"])
def test_an_entity_with_a_name_that_is_taken_is_refused_by_name(name: str) -> None:
    with pytest.raises(ValidationError, match=rf"entities\[0\]\.name '{name}' cannot be used: .*; rename the column"):
        a_feature_set(entities=[{"name": name, "type": "String"}], expectations=[])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.000000"),
        (0.8287194, "0.828719"),
        (-0.0123456, "-0.012346"),
        (0.000012345678, "0.0000123457"),
        (-4.2e-9, "-0.000000004200"),
        (1e-17, "0.000000"),
        (12345678.25, "12345678.250000"),
        (-3.0e38, "-999999999999999983222784.000000"),
    ],
)
def test_a_number_is_written_so_that_something_of_it_is_seen_and_admission_takes_it(value: float, text: str) -> None:
    assert decimal(value) == text
    assert TypeAdapter(Decimal).validate_python(text) == text


def dataset_with(**target: Any) -> Any:
    dataset = a_training_job().spec.dataset.model_dump(mode="json", by_alias=True, exclude_none=True)
    return a_training_job(dataset={**dataset, "target": target}).spec.dataset


def test_a_dataset_without_a_target_is_one_of_labels_0_and_1() -> None:
    assert a_training_job().spec.dataset.task == "BinaryClassification"
    assert dataset_with(task="Regression").task == "Regression"


def test_only_a_binary_classifier_has_a_positive_text() -> None:
    assert dataset_with(task="BinaryClassification", positive="Yes").target.positive == "Yes"
    with pytest.raises(ValidationError, match="positive is allowed only with task BinaryClassification"):
        dataset_with(task="Regression", positive="Yes")


def test_a_task_that_there_is_not_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ValidationError, match="'BinaryClassification', 'MulticlassClassification' or 'Regression'"):
        dataset_with(task="Ranking")


def test_reserved_names_are_the_models_output_and_the_columns_of_every_dataset() -> None:
    assert set(RESERVED_NAMES) == {"probability", TIME, LABEL}


def test_a_label_and_its_time_are_two_columns() -> None:
    source = {"parquet": {"uri": "s3://homeostat/labels/"}, "field": "at", "timestampField": "at"}
    with pytest.raises(ValidationError, match="field and timestampField are two columns, not both 'at'"):
        LabelSource.model_validate(source)


def test_a_name_that_no_service_can_bear_is_refused() -> None:
    with pytest.raises(ValidationError, match="pattern"):
        a_monitor(deployment_ref={"name": "2churn"})


@pytest.mark.parametrize("build", [a_feature_set, a_training_job, a_model_deployment, a_monitor])
def test_an_object_survives_the_way_to_the_api_server_and_back(build) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001 - four builders of four types
    made = build()
    assert type(made).model_validate(made.model_dump(by_alias=True, mode="json", exclude_none=True)) == made


def test_a_status_of_a_newer_version_is_read() -> None:
    assert a_training_job(status={"attempt": 2, "somethingNew": {"a": 1}}).status.attempt == 2
