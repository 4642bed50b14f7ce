"""A training that cannot fit into the memory of its pod is refused before it begins, with what would fit."""

import pyarrow as pa
import pytest

from homeostat.artifacts.dataset import LABEL
from homeostat.engines.objects.memory import MemoryObjects
from homeostat.reconcile.errors import InvalidData
from homeostat.runs import FailureReason, RunFailure
from homeostat_pipelines import families, join, memory, model, training
from homeostat_pipelines.report import Report
from homeostat_pipelines.signature import signature_of
from support.tables import OUTPUT, a_store, customers, feature_source, labels, rows_of, train_input

pytestmark = pytest.mark.filterwarnings("ignore")  # Feast, Dask and pandas warn about each other

MEBIBYTE = 2**20
MESSAGE = (
    r"a training on 10,000,000 rows and 20 columns \(one of a number, of a text one of each category\) needs about "
    r"\d{4}Mi of memory, and this run may use 1024Mi, in which \d,\d{3},\d{3} rows fit; raise "
    r"spec\.placement\.resources\.limits\.memory to \d{4}Mi, or train on fewer rows with a shorter spec\.dataset\.window"
)


def limit(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(memory, "memory_limit", lambda: count)


def test_the_message_says_rows_the_memory_needed_what_would_fit_and_the_field(monkeypatch: pytest.MonkeyPatch) -> None:
    limit(monkeypatch, 1024 * MEBIBYTE)
    with pytest.raises(InvalidData, match=MESSAGE):
        memory.check_training(10_000_000, 20, families.DEFAULT)


@pytest.mark.parametrize("limited", [210, 220, 400, 1024])
@pytest.mark.parametrize("columns", [1, 46, 1_000])
def test_what_a_refusal_says_that_would_fit_is_admitted(
    monkeypatch: pytest.MonkeyPatch, limited: int, columns: int
) -> None:
    limit(monkeypatch, limited * MEBIBYTE)
    with pytest.raises(InvalidData) as refused:
        memory.check_training(100_000_000, columns, families.DEFAULT)
    words = str(refused.value).replace(",", "").split()
    fitting = int(words[words.index("which") + 1])
    memory.check_training(fitting, columns, families.DEFAULT)
    with pytest.raises(InvalidData):
        memory.check_training(fitting + 1, columns, families.DEFAULT)
    needed = int(words[words.index("about") + 1].removesuffix("Mi"))
    limit(monkeypatch, (needed - 1) * MEBIBYTE)
    with pytest.raises(InvalidData):
        memory.check_training(100_000_000, columns, families.DEFAULT)
    limit(monkeypatch, needed * MEBIBYTE)
    memory.check_training(100_000_000, columns, families.DEFAULT)


def test_ten_million_rows_of_twenty_numbers_fit_into_four_gibibytes(monkeypatch: pytest.MonkeyPatch) -> None:
    limit(monkeypatch, 4096 * MEBIBYTE)
    memory.check_training(10_000_000, 20, families.DEFAULT)


def test_the_churn_sample_fits_into_a_small_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    limit(monkeypatch, 256 * MEBIBYTE)
    memory.check_training(7_043, 46, families.DEFAULT)


def test_a_training_that_cannot_fit_is_refused_before_a_feature_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    limit(monkeypatch, 1)
    monkeypatch.setattr(join, "_with_features", lambda *_: pytest.fail("features were read"))
    objects = a_store()
    with pytest.raises(InvalidData, match=r"a training on 320 rows and 4 columns"), Report(objects, OUTPUT).failures():
        training.run(train_input(), objects)
    failure = RunFailure.model_validate_json(objects.read(f"{OUTPUT}failure.json"))
    assert failure.reason is FailureReason.INVALID_DATA


def test_labels_without_features_count_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    limit(monkeypatch, 1)
    objects = MemoryObjects(a_store().content)
    known = a_store(customers(100)).content
    source = feature_source()
    objects.content[source.snapshot_uri] = known[source.snapshot_uri]
    with pytest.raises(InvalidData, match=r"a training on 80 rows"):
        training.run(train_input(), objects)


def test_each_category_of_a_text_is_a_column_of_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    limit(monkeypatch, 1)
    table = customers(300, contract=[f"contract {number % 150}" for number in range(300)])
    table = table.append_column(LABEL, labels(customers(300)).column("churned").cast(pa.int8()))
    with pytest.raises(InvalidData, match=r"300 rows and 153 columns"):
        model.train(rows_of(table), signature_of(train_input()), families.chosen({"max_iter": 1}), seed=1)
