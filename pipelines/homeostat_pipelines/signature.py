"""The signature of a training, and the ONNX feeds that follow from it."""

from collections.abc import Callable, Iterable, Sequence
from typing import Literal

import numpy as np
import onnxruntime
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from homeostat import tasks
from homeostat.api.v1alpha1.featureset import Entity, EntityType, FeatureType
from homeostat.artifacts.dataset import LABEL, TIME
from homeostat.artifacts.signature import Datatype, EntityKey, ModelInput, ModelOutput, Origin, Signature
from homeostat.reconcile.errors import InvalidData
from homeostat.runs import TrainInput
from homeostat.values import NO_TEXT, single
from homeostat_pipelines.pieces import Rows

DATATYPES = {
    FeatureType.STRING: Datatype.BYTES,
    FeatureType.INT64: Datatype.INT64,
    FeatureType.FLOAT64: Datatype.FP64,
    FeatureType.BOOL: Datatype.BOOL,
}
ENTITY_DATATYPES: dict[EntityType, Literal[Datatype.BYTES, Datatype.INT64]] = {
    EntityType.STRING: Datatype.BYTES,
    EntityType.INT64: Datatype.INT64,
}


def entities_of(job: TrainInput) -> list[Entity]:
    """The entities of a training's FeatureSets, the one that rows are counted and held out by first.

    Raises:
        InvalidData: One has two types.
    """
    entities: dict[str, Entity] = {}
    for source in job.feature_sets:
        (entity,) = source.entities
        if (known := entities.setdefault(entity.name, entity)) != entity:
            raise InvalidData(
                f"entity {entity.name!r} is {known.type} in one of the featureSets and {entity.type} in {source.name}; train on "
                "sets whose keys of one name are of one type"
            )
    return [*entities.values()]


def _further(job: TrainInput, entities: Sequence[Entity]) -> tuple[EntityKey, ...]:
    def sets(entity: Entity) -> tuple[str, ...]:
        return tuple(source.name for source in job.feature_sets if source.entities[0].name == entity.name)

    return tuple(
        EntityKey(name=each.name, datatype=ENTITY_DATATYPES[each.type], feature_sets=sets(each)) for each in entities
    )


def signature_of(job: TrainInput) -> Signature:
    """The signature of the model that a training makes: every feature of its FeatureSets, in order, then those that callers send.

    Raises:
        InvalidData: An entity has two types, features share a name, or a feature has the name of an entity, of a column
            that every dataset has, or of the output.
    """
    entity, *others = entities = entities_of(job)
    inputs = [
        ModelInput(name=feature.name, datatype=DATATYPES[feature.type], feature_set=source.name)
        for source in job.feature_sets
        for feature in source.features
    ]
    inputs += [
        ModelInput(name=feature.name, datatype=DATATYPES[feature.type], origin=Origin.REQUEST)
        for feature in job.request_features
    ]
    predicts = tasks.made(job.task)
    names, keys = [i.name for i in inputs], {each.name for each in entities}
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InvalidData(
            f"feature {twice!r} is in more than one of the featureSets and the requestFeatures; rename it in one of them"
        )
    if taken := next((name for name in names if name in {*keys, TIME, LABEL, predicts.output}), None):
        raise InvalidData(
            f"feature {taken!r} has the name of an entity, of a column of every dataset or of the model's output; rename it"
        )
    return Signature(
        model=f"{job.namespace}.{job.model}",
        task=predicts.name,
        output=ModelOutput(name=predicts.output),
        entity=entity.name,
        entity_type=ENTITY_DATATYPES[entity.type],
        others=_further(job, others),
        feature_sets=tuple(source.name for source in job.feature_sets),
        inputs=tuple(inputs),
        positive=job.labels[0].field,
        holdout_percent=job.holdout_percent or None,
    )


def of_known(signature: Signature, rows: Rows) -> Signature:
    """The signature without the features of which no row has a value: nothing can be learnt from them.

    Raises:
        InvalidData: No feature is left.
    """
    inputs = tuple(i for i in signature.inputs if rows.column(i.name).null_count < rows.num_rows)
    if not inputs:
        raise InvalidData(
            "no feature has a value in the training part; check the source of the FeatureSets and their ttl"
        )
    return signature.model_copy(update={"inputs": inputs})


def feeds(table: pa.Table, inputs: Sequence[ModelInput]) -> dict[str, NDArray[np.generic]]:
    """Columns as the graph takes them, [N, 1] each: text with "" for missing, float32 with NaN for missing.

    Raises:
        InvalidData: The table lacks a feature of the model.
    """
    lacking = [i.name for i in inputs if i.name not in table.column_names]
    if lacking:
        raise InvalidData(
            f"the dataset lacks the feature {lacking[0]!r} of the model; train it again on the FeatureSets of the dataset"
        )
    return {i.name: _feed(table.column(i.name), textual=i.textual).reshape(-1, 1) for i in inputs}


def _feed(column: pa.ChunkedArray, *, textual: bool) -> NDArray[np.generic]:
    if textual:
        return texts(pc.fill_null(column, NO_TEXT))
    return single(doubles(column))


def texts(column: pa.ChunkedArray) -> NDArray[np.object_]:
    """Texts, None for missing; equal ones are one object, which takes less memory and time."""
    encoded = column.combine_chunks().dictionary_encode()
    different: NDArray[np.object_] = np.array([*encoded.dictionary.to_pylist(), None], dtype=object)
    positions: NDArray[np.int64] = pc.fill_null(encoded.indices, len(different) - 1).to_numpy()
    return different[positions]


def doubles(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """Numbers or booleans in double precision, NaN for missing."""
    numbers = (
        column.cast(pa.float64(), safe=False)
        if not pa.types.is_boolean(column.type)
        else column.cast(pa.int8()).cast(pa.float64())
    )
    return np.asarray(pc.fill_null(numbers, float("nan")).to_numpy())


def score(model: bytes, fed: dict[str, NDArray[np.generic]]) -> NDArray[np.float64]:
    """What the model gives for each row."""
    return scorer(model)(fed)


def score_all(model: bytes, pieces: Iterable[pa.Table], inputs: Sequence[ModelInput]) -> NDArray[np.float64]:
    """What the model gives for each row of all pieces."""
    score_piece = scorer(model)
    return np.concatenate([score_piece(feeds(piece, inputs)) for piece in pieces])


def scorer(model: bytes) -> Callable[[dict[str, NDArray[np.generic]]], NDArray[np.float64]]:
    """A function from feeds to what the model gives for each row: `[N]` of one number each, `[N, K]` of several."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # Threads would add up the trees in an order of their own: one thread gives the same scores, and so the same digest of a
    # model, under every CPU limit; and none spins while it waits, which would use up the CPU quota of the pod.
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def outputs(fed: dict[str, NDArray[np.generic]]) -> NDArray[np.float64]:
        (found,) = session.run(None, fed)
        given = np.asarray(found, dtype=np.float64)
        return given.reshape(-1) if given.shape[1] == 1 else given

    return outputs
