import json
import subprocess
import sys

import pytest

from homeostat.artifacts import model, storage
from homeostat.artifacts.bundle import MANIFEST, BundleRef, digest_of, verify
from homeostat.artifacts.holdout import held_out
from homeostat.artifacts.layout import outcomes_prefix, outcomes_uri, snapshot_uri
from homeostat.artifacts.outcomes import LABEL_COLUMNS, ColumnType, columns
from homeostat.artifacts.signature import Signature
from homeostat.engines.objects.memory import MemoryObjects
from homeostat.reconcile.errors import InvalidData

PREFIX = "s3://homeostat/churn/models/churn/"
OLD_SIGNATURE: dict[str, object] = {
    "model": "churn.churn",
    "entity": "customer_id",
    "featureSets": ["customers"],
    "inputs": [{"name": "age", "datatype": "FP64", "feature_set": "customers"}],
    "output": {"name": "probability", "datatype": "FP64"},
    "positive": "churned",
}


def stored(files: dict[str, bytes]) -> tuple[MemoryObjects, BundleRef]:
    objects = MemoryObjects()
    return objects, storage.store(objects, PREFIX, files)


def signature_from(document: dict[str, object]) -> Signature:
    return model.signature({model.SIGNATURE: json.dumps(document).encode()})


def test_a_bundle_is_read_back_as_it_was_stored() -> None:
    objects, bundle = stored({"a": b"1", "b": b"2"})
    assert storage.fetch(objects, bundle, ["b", "a"]) == {"a": b"1", "b": b"2"}


def test_equal_files_are_one_bundle_whatever_their_order() -> None:
    objects, first = stored({"a": b"1", "b": b"2"})
    assert storage.store(objects, PREFIX, {"b": b"2", "a": b"1"}) == first


def test_the_manifest_is_written_last() -> None:
    objects, bundle = stored({"z": b"1"})
    assert list(objects.content) == [f"{bundle.uri}/z", f"{bundle.uri}/{MANIFEST}"]


def test_a_changed_file_is_refused_by_name() -> None:
    objects, bundle = stored({"a": b"1"})
    objects.content[f"{bundle.uri}/a"] = b"2"
    with pytest.raises(InvalidData, match=r"/a has digest .* it was changed"):
        storage.fetch(objects, bundle, ["a"])


def test_a_file_that_is_gone_is_named() -> None:
    objects, bundle = stored({"a": b"1"})
    del objects.content[f"{bundle.uri}/a"]
    with pytest.raises(InvalidData, match=r"/a is gone"):
        storage.fetch(objects, bundle, ["a"])


def test_a_file_that_a_bundle_never_had_is_named() -> None:
    objects, bundle = stored({"a": b"1"})
    with pytest.raises(InvalidData, match=r"names no examples\.json"):
        storage.fetch(objects, bundle, ["examples.json"])


def test_another_digest_than_that_of_the_manifest_is_refused() -> None:
    objects, bundle = stored({"a": b"1"})
    with pytest.raises(InvalidData, match=r"manifest\.json has digest"):
        storage.fetch(objects, BundleRef(uri=bundle.uri, digest=digest_of(b"")), ["a"])


def test_content_of_its_digest_passes() -> None:
    verify("a", b"1", digest_of(b"1"))


def test_what_an_old_bundle_does_not_record_is_named() -> None:
    assert signature_from(OLD_SIGNATURE).lacking() == ("holdoutPercent", "entityType")
    assert signature_from({**OLD_SIGNATURE, "holdoutPercent": 20, "entityType": "INT64"}).lacking() == ()


@pytest.mark.parametrize("field", ["model", "entity", "featureSets", "inputs"])
def test_a_signature_without_a_field_that_it_needs_names_it(field: str) -> None:
    document = {name: value for name, value in OLD_SIGNATURE.items() if name != field}
    with pytest.raises(InvalidData, match=rf"signature\.json: {field}: Field required; train the model again"):
        signature_from(document)


def test_a_key_of_an_entity_is_text_or_an_integer() -> None:
    with pytest.raises(InvalidData, match=r"signature\.json: entityType: "):
        signature_from({**OLD_SIGNATURE, "entityType": "FP64"})


def test_a_signature_of_a_newer_version_is_read() -> None:
    assert signature_from({**OLD_SIGNATURE, "quantiles": [0.1, 0.9]}).model == "churn.churn"


def test_a_signature_is_written_as_it_is_read() -> None:
    document = {**OLD_SIGNATURE, "task": "BinaryClassification", "holdoutPercent": 20, "entityType": "BYTES"}
    assert signature_from(document).model_dump(mode="json", by_alias=True) == document


def test_an_entity_is_in_the_holdout_of_a_model_for_good() -> None:
    chosen = {key for key in map(str, range(1000)) if held_out("churn.churn", key, 20)}
    wider = {key for key in map(str, range(1000)) if held_out("churn.churn", key, 30)}
    assert 150 < len(chosen) < 250
    assert chosen < wider, "a larger share keeps the entities of a smaller one"
    assert chosen != {key for key in map(str, range(1000)) if held_out("churn.other", key, 20)}


def test_a_training_reads_columns_that_the_observer_exports() -> None:
    assert set(LABEL_COLUMNS) <= {name for name, _ in columns(ColumnType.INTEGER)}


def test_artifacts_lie_where_earlier_versions_put_them() -> None:
    assert outcomes_uri(outcomes_prefix("b", "churn", "model"), 3, 9) == "s3://b/churn/outcomes/model/part-3-9.parquet"
    assert snapshot_uri("s3://b/churn/featuresets/customers/", "sha256:ab") == (
        "s3://b/churn/featuresets/customers/ab/data.parquet"
    )


def test_reading_artifacts_loads_no_tooling_of_tables_or_graphs() -> None:
    code = (
        "import sys; import homeostat.artifacts.model, homeostat.artifacts.storage, homeostat.artifacts.outcomes; "
        "print(sorted({'pyarrow', 'onnxruntime', 'onnx', 'sklearn', 'pandas', 'minio', 'httpx'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
