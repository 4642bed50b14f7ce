"""The gate scores each model on its own features."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from homeostat.artifacts import storage
from homeostat.artifacts.bundle import BundleRef
from homeostat.engines.objects.memory import MemoryObjects
from homeostat.reconcile.errors import InvalidData
from homeostat.runs import EvaluateInput, EvaluateResult, FeatureSource
from homeostat.signals import GateReport
from homeostat.signals.gate import RuleKind
from homeostat_pipelines import dataset, evaluate, families, model, steps
from homeostat_pipelines.signature import signature_of
from support.tables import LABELS, OUTPUT, a_store, customers, feature_source, labels, parquet, train_input

CLIENTS = "s3://homeostat/churn/featuresets/clients/x/data.parquet"
QUICK = families.chosen({"max_iter": 20})
BEATS = {"mustBeat": [{"metric": "auc"}]}

Trained = tuple[BundleRef, BundleRef]
"""Dataset and model."""


def trained(objects: MemoryObjects, source: FeatureSource, **changes: Any) -> Trained:
    job = train_input(**{"feature_sets": [source], **changes})
    record = dataset.build(job, objects)
    stored = BundleRef(uri=record.uri, digest=record.digest)
    with dataset.opened(objects, stored, "train.parquet") as rows:
        files = model.train(rows, signature_of(job), QUICK, seed=1)
    return stored, storage.store(objects, job.models, files)


def clients(names: list[str], table: pa.Table | None = None) -> tuple[FeatureSource, bytes]:
    """Another FeatureSet of the same customers, with some of their features."""
    table = customers() if table is None else table
    features = [feature for feature in feature_source().features if feature.name in names]
    source = feature_source(name="clients", features=features, snapshot_uri=CLIENTS)
    return source, parquet(table.select(["customer_id", "observed_at", *names]))


@pytest.fixture
def judged() -> Callable[..., tuple[GateReport, float]]:
    """Judges a challenger with some features, beside a champion with all of them; with the champion's own AUC."""

    def judge(
        names: list[str], sources: list[FeatureSource], gate: Any, table: pa.Table | None = None
    ) -> tuple[GateReport, float]:
        objects = a_store()
        source, snapshot = clients(names, table)
        objects.write(CLIENTS, snapshot)
        (own, champion), (data, challenger) = trained(objects, feature_source()), trained(objects, source)
        job = {
            "namespace": "churn", "challenger": challenger, "champion": champion, "championVersion": "2",
            "championSources": sources, "dataset": data, "gate": gate, "seed": 1, "output": OUTPUT,
        }  # fmt: skip
        evaluate.run(EvaluateInput.model_validate(job), objects)
        report = EvaluateResult.model_validate_json(objects.read(f"{OUTPUT}result.json")).report
        return report, steps.measure(objects, own, champion)[0]["auc"]

    return judge


def champions(report: GateReport) -> float | None:
    return next(metric.champion for metric in report.metrics if metric.name == "auc")


def test_a_champion_with_a_feature_that_its_challenger_lacks_is_scored_on_that_of_its_own_feature_set(
    judged: Callable[..., tuple[GateReport, float]],
) -> None:
    report, own = judged(["tenure", "charge", "paperless"], [feature_source()], BEATS)
    assert champions(report) == own


def test_a_champion_is_scored_on_a_feature_of_the_same_feature_set_that_its_challenger_does_not_select() -> None:
    objects, champions_source = a_store(), feature_source()
    fewer = feature_source(features=[f for f in champions_source.features if f.name != "contract"])
    (own, champion), (data, challenger) = trained(objects, champions_source), trained(objects, fewer)
    job = {
        "namespace": "churn", "challenger": challenger, "champion": champion, "championVersion": "2",
        "championSources": [champions_source], "dataset": data, "gate": BEATS, "seed": 1, "output": OUTPUT,
    }  # fmt: skip
    evaluate.run(EvaluateInput.model_validate(job), objects)
    report = EvaluateResult.model_validate_json(objects.read(f"{OUTPUT}result.json")).report
    assert champions(report) == steps.measure(objects, own, champion)[0]["auc"]


def with_baskets(objects: MemoryObjects) -> None:
    rows = labels(customers())
    values = pa.array([float(number % 50) for number in range(rows.num_rows)])
    objects.write(f"{LABELS}part-0.parquet", parquet(rows.append_column("basket", values)))


def judge_of(objects: MemoryObjects, champion: Trained, challenger: Trained) -> EvaluateResult:
    job = {
        "namespace": "churn", "challenger": challenger[1], "champion": champion[1], "championVersion": "2",
        "dataset": challenger[0], "gate": BEATS, "seed": 1, "output": OUTPUT,
    }  # fmt: skip
    evaluate.run(EvaluateInput.model_validate(job), objects)
    return EvaluateResult.model_validate_json(objects.read(f"{OUTPUT}result.json"))


BASKET = {"request_features": [{"name": "basket", "type": "Float64"}]}


def test_a_champion_is_scored_on_the_request_features_of_the_new_dataset() -> None:
    objects = a_store()
    with_baskets(objects)
    champion = trained(objects, feature_source(), **BASKET)
    assert champions(judge_of(objects, champion, champion).report) == steps.measure(objects, *champion)[0]["auc"]


def test_a_champions_request_feature_that_the_dataset_lacks_is_named_with_the_remedy() -> None:
    objects = a_store()
    with_baskets(objects)
    champion = trained(objects, feature_source(), **BASKET)
    named = (
        r"version 2, needs feature 'basket' of its requests.*name it in spec.dataset.requestFeatures of the training"
    )
    with pytest.raises(InvalidData, match=named):
        judge_of(objects, champion, trained(objects, feature_source()))
    features = [*feature_source().features, {"name": "basket", "type": "Float64"}]
    snapshot = customers().append_column("basket", pa.array([1.0] * 400))
    objects.write(CLIENTS, parquet(snapshot))
    with pytest.raises(InvalidData, match=named):
        judge_of(objects, champion, trained(objects, feature_source(features=features, snapshot_uri=CLIENTS)))


SHOPS = "s3://homeostat/churn/featuresets/shops/x/data.parquet"


def shops(*names: str) -> FeatureSource:
    features = [{"name": name, "type": "Float64"} for name in names]
    entity = {"name": "shop", "type": "Int64"}
    return feature_source(name="shops", entities=[entity], features=features, snapshot_uri=SHOPS)


def test_a_champion_is_scored_on_features_of_a_further_entity_by_its_own_key() -> None:
    objects, rows = a_store(), labels(customers())
    keys = pa.array([number % 7 for number in range(rows.num_rows)])
    objects.write(f"{LABELS}part-0.parquet", parquet(rows.append_column("shop", keys)))
    times = customers(7).column("observed_at")
    table = {
        "shop": [*range(7)],
        "observed_at": times,
        "size": [3.0, 1.0, 4.0, 1.5, 9.0, 2.0, 6.0],
        "rent": [float(7 - n) for n in range(7)],
    }
    objects.write(SHOPS, parquet(pa.table(table)))
    both, fewer = shops("size", "rent"), shops("size")
    own, champion = trained(objects, both, feature_sets=[feature_source(), both])
    data, challenger = trained(objects, fewer, feature_sets=[feature_source(), fewer])
    job = {
        "namespace": "churn", "challenger": challenger, "champion": champion, "championSources": [feature_source(), both],
        "dataset": data, "gate": BEATS, "seed": 1, "output": OUTPUT,
    }  # fmt: skip
    evaluate.run(EvaluateInput.model_validate(job), objects)
    report = EvaluateResult.model_validate_json(objects.read(f"{OUTPUT}result.json")).report
    assert champions(report) == steps.measure(objects, own, champion)[0]["auc"]


def test_a_champion_held_out_by_an_entity_that_the_dataset_lacks_is_refused_with_the_remedy() -> None:
    objects = a_store()
    champion = trained(objects, feature_source())
    with pytest.raises(InvalidData, match=r"the entity 'customer_id' by which .*train on a FeatureSet of this entity"):
        evaluate._unseen(pa.table({"shop": [1]}), [evaluate._Model(objects, champion[1])])


def test_features_of_one_name_in_different_feature_sets_are_not_confused(
    judged: Callable[..., tuple[GateReport, float]],
) -> None:
    table = customers()
    swapped = ["year" if value == "month" else "month" for value in table.column("contract").to_pylist()]
    table = table.set_column(table.column_names.index("contract"), "contract", [swapped])
    names = ["contract", "tenure", "charge", "paperless"]
    report, own = judged(names, [feature_source()], BEATS, table)
    assert champions(report) == own


@pytest.mark.parametrize(
    "sources",
    [
        [],
        [feature_source(features=[f for f in feature_source().features if f.name != "contract"])],
        [feature_source(entities=[{"name": "customer_id", "type": "Int64"}])],
        [feature_source(entities=[{"name": "client", "type": "String"}])],
        [feature_source(name="others")],
    ],
)
def test_a_feature_that_is_nowhere_to_be_had_is_named_with_the_champion_and_a_way_on(
    sources: list[FeatureSource], judged: Callable[..., tuple[GateReport, float]]
) -> None:
    with pytest.raises(
        InvalidData,
        match=r"the champion, version 2, needs feature 'contract' of FeatureSet customers.*"
        r"leave out mustBeat and nonInferior in spec.promotion.gate.*try the version again",
    ):
        judged(["tenure", "charge", "paperless"], sources, BEATS)


def test_a_gate_that_compares_nothing_does_without_a_champion_that_cannot_be_scored(
    judged: Callable[..., tuple[GateReport, float]],
) -> None:
    report, _ = judged(["tenure", "charge"], [], {"minimum": [{"metric": "auc", "value": "0.1"}]})
    assert [rule.kind for rule in report.rules] == [RuleKind.MINIMUM]
    assert champions(report) is None
