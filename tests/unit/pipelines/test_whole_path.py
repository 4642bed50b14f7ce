"""Generated files, labels, specs and requests through the whole path: right results, or errors that name what is wrong.

A FeatureSet's spec, its source, the snapshot, the join, a training, the predictor, requests. `make fuzz` draws more examples.
"""

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from homeostat.artifacts.bundle import BundleRef
from homeostat.artifacts.dataset import LABEL, TRAIN
from homeostat.artifacts.features import feature_source
from homeostat.engines.objects.memory import MemoryObjects
from homeostat.enums import FeatureMode
from homeostat.reconcile.errors import InvalidData
from homeostat.runs import FeatureSource, TrainResult
from homeostat.signals.histogram import count
from homeostat.testing.builders import a_feature_set
from homeostat_pipelines import dataset, materialize, snapshots, training
from homeostat_pipelines.data_warnings import DataWarnings
from homeostat_pipelines.ordering import ordered
from homeostat_services.predictor import protocol
from homeostat_services.predictor.errors import InvalidRequest
from homeostat_services.predictor.model import Model, load
from homeostat_services.predictor.rows import RowReader
from support.tables import LABELS, NOON, OUTPUT, SOURCE, materialize_input, parquet, train_input
from unit.pipelines import recipes
from unit.pipelines.recipes import FEATURES, REFUSED, TIMES, Recipe

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "200"))
ENTITIES = 130
NAMES = (
    "tenure",
    "positive",
    "label",
    "probabilities",
    "event_timestamp",
    "variable",
    "entity",
    "x",
    "X",
    "_",
    "feature_0",
)
HOSTILE: list[Any] = [
    None, "", "a\0b", "x" * 5_000, True, 1, 1.5, -0.0, 1e39, 10**400, 2**53 + 1, "NaN", [], [1], {}, "\u2028",
]  # fmt: skip
LIBRARIES = ("pyarrow", "Arrow", "numpy", "sklearn", "onnx", "Traceback", "dtype", "NoneType", "object at 0x")
"""Words of libraries, which no sentence to a person has."""

pytestmark = pytest.mark.filterwarnings("ignore")  # scikit-learn warns about strange data


@dataclass(frozen=True)
class World:
    """What an example is made of."""

    key: str
    features: list[tuple[str, str, Recipe]]
    time: Recipe
    target: tuple[str, str]
    """Task and positive text."""
    label: Recipe
    files: int
    extra_rows: int
    seed: int


def a_world(seed: int) -> World:
    """Drawn evenly: strategies would prefer the first of each list."""
    draw = np.random.default_rng(seed)
    kinds = [sorted(FEATURES)[kind] for kind in draw.integers(len(FEATURES), size=draw.integers(1, 5))]
    target = list(recipes.LABELS)[draw.integers(len(recipes.LABELS))]
    names = draw.choice(NAMES, len(kinds), replace=False).tolist()
    return World(
        key=str(draw.choice(["String", "Int64", "decimal"])),
        features=[(name, kind, _mostly_good(draw, FEATURES[kind])) for name, kind in zip(names, kinds, strict=True)],
        time=_mostly_good(draw, TIMES),
        target=target,
        label=_mostly_good(draw, recipes.LABELS[target]),
        files=int(draw.integers(1, 4)),
        extra_rows=int(draw.choice([0, 0, 5, 40])),
        seed=seed,
    )


def _mostly_good(draw: np.random.Generator, choices: list[Recipe]) -> Recipe:
    """A recipe, most often of a column that is taken, so that most examples reach the end."""
    while True:
        recipe = choices[int(draw.integers(len(choices)))]
        if recipe(draw, 4)[1] is not REFUSED or draw.random() < 0.3:
            return recipe


def columns_of(world: World) -> tuple[dict[str, pa.Array], dict[str, list[Any]]]:
    """The source's columns, and what they stand for."""
    draw = np.random.default_rng(world.seed)
    size = ENTITIES + world.extra_rows
    numbers = [*range(ENTITIES), *draw.integers(0, ENTITIES, world.extra_rows).tolist()]
    kind = {"String": pa.string(), "Int64": pa.int64(), "decimal": pa.decimal128(38, 0)}[world.key]
    keys = pa.array([f"c{n}" for n in numbers] if world.key == "String" else numbers)
    drawn = {"customer_id": (keys.cast(kind), keys.to_pylist()), "observed_at": world.time(draw, size)}
    drawn |= {name: recipe(draw, size) for name, _, recipe in world.features}
    return {name: array for name, (array, _) in drawn.items()}, {
        name: expected for name, (_, expected) in drawn.items()
    }


def stored(world: World, columns: dict[str, pa.Array]) -> MemoryObjects:
    """The source in as many files as the world has, and labels of each entity."""
    table = pa.table(columns)
    size = -(-table.num_rows // world.files)
    content = {f"{SOURCE}{n}.parquet": parquet(table.slice(n * size, size)) for n in range(world.files)}
    label = world.label(np.random.default_rng(world.seed + 1), ENTITIES)[0]
    times = pa.array([NOON] * ENTITIES, pa.timestamp("us", tz="UTC"))
    labels = {"customer_id": table.column("customer_id").slice(0, ENTITIES), "predicted_at": times, "churned": label}
    return MemoryObjects({**content, f"{LABELS}0.parquet": parquet(pa.table(labels))})


def materialized(world: World, objects: MemoryObjects, expected: dict[str, list[Any]]) -> FeatureSource:
    """The snapshot, whose values are those that the source's stand for."""
    spec = a_feature_set(
        entities=[{"name": "customer_id", "type": "String" if world.key == "String" else "Int64"}],
        features=[{"name": name, "type": kind} for name, kind, _ in world.features],
        expectations=[],
    )
    source = feature_source(spec)
    job = materialize_input(feature_set=source)
    uris = [found.uri for found in materialize.source_files(job, objects)]
    table = pa.concat_tables(materialize.read_source(job, objects, uris, DataWarnings()))
    for name, values in expected.items():
        assert table.column(name).to_pylist() == values, name
    with tempfile.TemporaryDirectory() as folder:
        written = snapshots.write(Path(folder) / "data.parquet", [ordered(table)], source)
        record = snapshots.store(objects, written, job.snapshots)
    return source.model_copy(update={"snapshot_uri": record.uri, "snapshot_digest": record.digest})


def answered(model: Model, rows: list[dict[str, Any]]) -> list[Any]:
    """Scores of rows that a client sends with all their features."""
    signature = model.signature
    tensors = [
        {"name": i.name, "shape": [len(rows)], "datatype": i.datatype.value, "data": [row[i.name] for row in rows]}
        for i in signature.inputs
    ]
    request = protocol.decode(json.dumps({"inputs": tensors}).encode())
    accepted = protocol.accepted_datatypes(signature, signature.entity)
    read = RowReader(signature, signature.entity, FeatureMode.REQUEST).read(
        protocol.table(request, memoryview(b""), accepted)
    )
    for feature in model.baseline.features:
        assert count(feature, read.columns[feature.name]).sum() == len(rows)
    return model.scores(read.columns, read.blocks)


def check_sentence(error: Exception) -> None:
    """An error names what is wrong and what to do, in our words."""
    text = str(error)
    assert not any(word in text for word in LIBRARIES), text
    assert any(mark in text for mark in ("; ", ": ")), text


def check_prediction(model: Model, prediction: Any) -> None:
    """A number or vector that the metrics of the model's task take."""
    model.signature.predicts.checked([prediction])


def check_answers(model: Model, rows: list[dict[str, Any]], world: World) -> None:
    """Whatever comes in the place of one value is answered with a prediction of the task, or refused by name."""
    draw = np.random.default_rng(world.seed + 2)
    for _ in range(6):
        name = model.signature.inputs[int(draw.integers(len(model.signature.inputs)))].name
        row = {**rows[0], name: HOSTILE[int(draw.integers(len(HOSTILE)))]}
        try:
            (score,) = answered(model, [row])
        except InvalidRequest as error:
            check_sentence(error)
        else:
            check_prediction(model, score)


@settings(max_examples=EXAMPLES, derandomize=EXAMPLES <= 200, suppress_health_check=list(HealthCheck), print_blob=True)
@given(st.integers(0, 2**32 - 1).map(a_world))
def test_whatever_data_people_have_gives_right_results_or_an_error_that_names_what_is_wrong(world: World) -> None:
    columns, expected = columns_of(world)
    objects = stored(world, columns)
    try:
        source = materialized(world, objects, expected)
        task, positive = world.target
        job = train_input(feature_sets=[source], parameters={"max_iter": "3"}, task=task, positive=positive)
        training.run(job, objects)
    except InvalidData as error:
        check_sentence(error)
        return
    refused = world.label(np.random.default_rng(world.seed + 1), ENTITIES)[1] is REFUSED
    assert not refused
    result = TrainResult.model_validate_json(objects.read(f"{OUTPUT}result.json"))
    model = load(objects, result.model.uri, result.model.digest)
    trained = dataset.read(objects, BundleRef(uri=result.dataset.uri, digest=result.dataset.digest), TRAIN)
    rows = trained.drop_columns([LABEL]).slice(0, 20).to_pylist()
    answers = answered(model, rows)
    looked_up = model.scores({i.name: [row[i.name] for row in rows] for i in model.signature.inputs})
    assert np.asarray(answers) == pytest.approx(np.asarray(looked_up), rel=1e-6, abs=1e-6)
    for answer in answers:
        check_prediction(model, answer)
    check_answers(model, rows, world)
