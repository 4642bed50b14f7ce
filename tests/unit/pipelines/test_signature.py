"""The signature that a training writes."""

import json
from typing import Any

import pytest

from homeostat.artifacts.dataset import LABEL, TIME
from homeostat.artifacts.signature import Datatype, Signature
from homeostat.reconcile.errors import InvalidData
from homeostat_pipelines.signature import signature_of
from support import tables


def keyed(kind: str, **changes: Any) -> Any:
    return tables.feature_source(entities=[{"name": "customer_id", "type": kind}], **changes)


@pytest.mark.parametrize(("kind", "datatype"), [("Int64", Datatype.INT64), ("String", Datatype.BYTES)])
def test_it_records_the_type_of_the_entity_s_key(kind: str, datatype: Datatype) -> None:
    assert signature_of(tables.train_input(feature_sets=[keyed(kind)])).entity_type is datatype


def test_features_that_callers_send_follow_those_that_are_looked_up() -> None:
    job = tables.train_input(request_features=[{"name": "basket", "type": "Float64"}])
    signature = signature_of(job)
    assert [(i.name, i.feature_set, i.origin) for i in signature.inputs[-2:]] == [
        ("paperless", "customers", "lookup"),
        ("basket", "", "request"),
    ]
    written = json.loads(signature.model_dump_json(by_alias=True))
    assert [i.get("origin") for i in written["inputs"]] == [None] * 4 + ["request"], "bundles without any are as before"
    assert Signature.model_validate(written).sent == {"basket": "FP64"}
    with pytest.raises(InvalidData, match="feature 'tenure' is in more than one of the featureSets and the request"):
        signature_of(tables.train_input(request_features=[{"name": "tenure", "type": "Float64"}]))


def of_shops(**changes: Any) -> Any:
    described = {"name": "shops", "entities": [{"name": "shop", "type": "Int64"}]}
    return tables.feature_source(**{**described, "features": [{"name": "size", "type": "Float64"}], **changes})


def test_further_entities_are_recorded_with_the_feature_sets_that_they_are_keys_of() -> None:
    more = of_shops(name="staff", features=[{"name": "heads", "type": "Int64"}])
    signature = signature_of(tables.train_input(feature_sets=[tables.feature_source(), of_shops(), more]))
    assert (signature.entity, signature.entity_type) == ("customer_id", "BYTES")
    written = json.loads(signature.model_dump_json(by_alias=True))
    assert written["otherEntities"] == [{"name": "shop", "datatype": "INT64", "featureSets": ["shops", "staff"]}]
    assert Signature.model_validate(written).keyed == {"customers": "customer_id", "shops": "shop", "staff": "shop"}
    alone = json.loads(signature_of(tables.train_input()).model_dump_json(by_alias=True))
    assert "otherEntities" not in alone, "bundles of one entity are as before"


def test_a_feature_with_the_name_of_another_sets_entity_is_refused() -> None:
    wrong = of_shops(features=[{"name": "customer_id", "type": "String"}])
    with pytest.raises(InvalidData, match="feature 'customer_id' has the name of an entity"):
        signature_of(tables.train_input(feature_sets=[tables.feature_source(), wrong]))


def test_feature_sets_whose_keys_differ_in_type_are_refused_by_name() -> None:
    other = keyed("Int64", name="payments", features=[{"name": "amount", "type": "Float64"}])
    with pytest.raises(InvalidData, match="'customer_id' is String in one of the featureSets and Int64 in payments"):
        signature_of(tables.train_input(feature_sets=[keyed("String"), other]))


@pytest.mark.parametrize("taken", ["customer_id", TIME, LABEL, "probability"])
def test_a_feature_with_the_name_of_a_column_of_every_dataset_is_refused_by_name(taken: str) -> None:
    source = tables.feature_source(features=[{"name": taken, "type": "String"}])
    with pytest.raises(InvalidData, match=f"feature '{taken}' has the name of"):
        signature_of(tables.train_input(feature_sets=[source]))
