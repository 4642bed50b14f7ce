"""An attempt: what it is told, what it may use, and what makes a spec impossible to carry out."""

from homeostat.api.common import parse_duration
from homeostat.api.v1alpha1 import FeatureSet, TrainingJob
from homeostat.api.v1alpha1.dataset import FeatureSetRef, LabelSource
from homeostat.api.v1alpha1.featureset import Feature
from homeostat.api.v1alpha1.pods import PodOptions, Resources
from homeostat.api.v1alpha1.trainingjob import Placement
from homeostat.artifacts import layout, outcomes
from homeostat.artifacts.features import feature_source, holdout_of
from homeostat.engines.runs import TRAIN, RunRequest, RunShape, parameters
from homeostat.engines.runs.packages import Package
from homeostat.pod_settings import GPU, NodePool
from homeostat.reconcile.errors import InvalidSpec
from homeostat.reconcile.pod_templates import completed, merged
from homeostat.runs import FeatureSource, LabelInput, TrainInput, run_prefix
from homeostat_operators.trainingjob.observed import TrainingJobObservation


def checked_pool(resource: TrainingJob, observed: TrainingJobObservation) -> NodePool | None:
    """The node pool that the spec names.

    Raises:
        InvalidSpec: The platform has no pool or no engine of the name in the spec.
    """
    if observed.engine not in observed.engines:
        choices = ", ".join(sorted(observed.engines))
        raise InvalidSpec(f"spec.engine {observed.engine!r} is not installed here; use one of {choices}")
    pools = observed.pools
    name = resource.spec.placement.node_pool
    if name is None:
        return None
    if name not in pools:
        choices = f"use one of {', '.join(sorted(pools))}" if pools else "the platform has none; omit the field"
        raise InvalidSpec(f"spec.placement.nodePool {name!r} is unknown; {choices}")
    return pools[name]


def checked_package(resource: TrainingJob, observed: TrainingJobObservation) -> Package:
    """The pipeline that the spec names, with its parameters checked.

    Raises:
        InvalidSpec: The pipeline, or a parameter of it, is wrong.
        ObjectNotFound: The pipeline is not there yet.
    """
    if observed.package_failure is not None:
        raise observed.package_failure.error()
    package = observed.package
    assert package is not None  # noqa: S101 - whoever launches has observed it
    parameters.arguments(package.declared, given_parameters(resource))
    return package


def given_parameters(resource: TrainingJob) -> dict[str, str]:
    """Parameters of the spec by name."""
    return {parameter.name: parameter.value for parameter in resource.spec.pipeline.parameters}


def entities_of(sources: list[FeatureSource]) -> list[str]:
    """The entities of the FeatureSets that are joined, that of the first before the others.

    Raises:
        InvalidSpec: One has two types, or is a feature as well.
    """
    entities = {source.name: source.entities[0] for source in sources}
    names = list(dict.fromkeys(entity.name for entity in entities.values()))
    if len(set(entities.values())) > len(names):
        listing = ", ".join(f"{name} has {entity.name} ({entity.type})" for name, entity in entities.items())
        raise InvalidSpec(f"spec.dataset.featureSets cannot be joined: {listing}; a key of one name has one type")
    wrong = next(((s.name, f.name) for s in sources for f in s.features if f.name in names), None)
    if wrong is not None:
        raise InvalidSpec(
            f"spec.dataset.featureSets: feature {wrong[1]!r} of FeatureSet {wrong[0]!r} has the name of the entity of another; "
            "leave it out of features, or rename it"
        )
    return names


def train_input(
    resource: TrainingJob, sets: list[FeatureSet], attempt: int, observed: TrainingJobObservation
) -> TrainInput:
    """What an attempt is told."""
    meta, spec, bucket = resource.metadata, resource.spec, observed.bucket
    by_name = {feature_set.metadata.name: feature_set for feature_set in sets}
    sources = [_selected(reference, by_name[reference.name]) for reference in spec.dataset.feature_sets]
    entities = entities_of(sources)
    window, holdout = spec.dataset.window, holdout_of(spec.dataset)
    return TrainInput(
        namespace=meta.namespace,
        model=spec.output.model,
        feature_sets=sources,
        request_features=_sent(spec.dataset.request_features, sources),
        labels=[_labels(source, entities, meta.namespace, bucket) for source in spec.dataset.labels],
        rows_per_entity=spec.dataset.rows_per_entity,
        task=spec.dataset.task,
        positive=(spec.dataset.target.positive or "") if spec.dataset.target else "",
        window_seconds=int(parse_duration(window.last).total_seconds()) if window else None,
        holdout_percent=0 if holdout.group_by else holdout.percent or 0,
        holdout=holdout if holdout.group_by or holdout.by_time else None,
        pipeline=str(spec.pipeline),
        parameters=given_parameters(resource),
        seed=spec.seed,
        image=observed.image,
        gpus=spec.placement.gpus_per_node,
        datasets=layout.datasets_prefix(bucket, meta.namespace),
        models=layout.models_prefix(bucket, meta.namespace, spec.output.model),
        output=run_prefix(bucket, meta.namespace, meta.uid, attempt, TRAIN),
    )


def _selected(reference: FeatureSetRef, feature_set: FeatureSet) -> FeatureSource:
    """The features of a FeatureSet that the spec joins, in the order of the FeatureSet.

    Raises:
        InvalidSpec: The FeatureSet lacks one of them.
    """
    source, names = feature_source(feature_set), reference.features
    if names is None:
        return source
    there = [feature.name for feature in source.features]
    if unknown := next((name for name in names if name not in there), None):
        raise InvalidSpec(
            f"spec.dataset.featureSets: FeatureSet {source.name!r} has no feature {unknown!r}; it has {', '.join(there)}"
        )
    return source.model_copy(update={"features": [f for f in source.features if f.name in names]})


def _sent(features: list[Feature], sources: list[FeatureSource]) -> list[Feature]:
    """Features that callers send; each name stands for one value of a request.

    Raises:
        InvalidSpec: One has the name of a feature that is looked up, or of an entity.
    """
    taken = {name: source.name for source in sources for name in _names(source)}
    if wrong := next((feature.name for feature in features if feature.name in taken), None):
        raise InvalidSpec(
            f"spec.dataset.requestFeatures: {wrong!r} is the name of a feature or of the entity of FeatureSet "
            f"{taken[wrong]!r}; rename the column of the labels, or leave the feature out of spec.dataset.featureSets"
        )
    return features


def _names(source: FeatureSource) -> list[str]:
    return [*(entity.name for entity in source.entities), *(feature.name for feature in source.features)]


def _labels(source: LabelSource, entities: list[str], namespace: str, bucket: str) -> LabelInput:
    window = {"since": source.since, "until": source.until}
    if source.parquet is not None and source.field is not None and source.timestamp_field is not None:
        if taken := {*entities} & {source.field, source.timestamp_field}:
            raise InvalidSpec(
                f"spec.dataset.labels: {min(taken)!r} is an entity of the FeatureSets, and not the label or its time as well; "
                "name another column"
            )
        return LabelInput(
            uri=source.parquet.uri,
            entity_field=entities[0],
            field=source.field,
            timestamp_field=source.timestamp_field,
            **window,
        )
    if len(entities) > 1:
        raise InvalidSpec(
            f"spec.dataset.labels: outcomes of {source.outcomes_of!r} name the entity {entities[0]!r} alone, and the FeatureSets "
            f"have {', '.join(entities)}; use labels in parquet, which hold each key"
        )
    return LabelInput(
        uri=layout.outcomes_prefix(bucket, namespace, str(source.outcomes_of)),
        entity_field=outcomes.ENTITY,
        field=outcomes.LABEL,
        timestamp_field=outcomes.PREDICTED_AT,
        **window,
    )


def _pods(placement: Placement, pool: NodePool | None) -> PodOptions:
    """What the spec asks for, with what brings pods to its node pool.

    Raises:
        InvalidSpec: The two select nodes by different values of one label.
    """
    own = placement.pod_template.spec.node_selector if placement.pod_template else {}
    nodes = pool.node_selector if pool else {}
    for label, value in own.items():
        if nodes.get(label, value) != value:
            raise InvalidSpec(
                f"spec.placement.podTemplate.spec.nodeSelector has {label}: {value}, and node pool {placement.node_pool!r} "
                f"has {label}: {nodes[label]}; remove the label, or choose another pool"
            )
    template = merged(pool.pod_template if pool else None, placement.pod_template)
    return PodOptions(resources=placement.resources, pod_template=template)


def attempt_of(
    resource: TrainingJob, sets: list[FeatureSet], number: int, observed: TrainingJobObservation
) -> RunRequest:
    """What is run as the attempt of that number.

    Raises:
        InvalidSpec: The spec cannot be carried out.
    """
    spec = resource.spec
    pool, package = checked_pool(resource, observed), checked_package(resource, observed)
    placement, pods = spec.placement, completed(_pods(spec.placement, pool), observed.pods)
    gpus, accelerator = placement.gpus_per_node, pool.resource_name if pool else GPU
    accelerators = {accelerator: str(gpus)} if gpus else {}
    return RunRequest(
        owner=resource,
        purpose=TRAIN,
        number=number,
        document=train_input(resource, sets, number, observed),
        image=observed.image,
        shape=RunShape(
            resources=Resources(
                requests=pods.resources.requests | accelerators, limits=pods.resources.limits | accelerators
            ),
            deadline_seconds=spec.active_deadline_seconds,
            ttl_seconds=spec.ttl_seconds_after_finished,
            pod_template=pods.pod_template,
            gpus=gpus,
            accelerator=accelerator,
        ),
        package=package,
        parameters=given_parameters(resource),
    )
