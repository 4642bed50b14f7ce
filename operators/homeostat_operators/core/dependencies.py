"""Who is looked at again when an object of another kind changes: the one mapping from cause to concern."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from homeostat.cluster import Manifest

MODEL_OF_TRAINING = ("spec", "output", "model")
"""Path of a TrainingJob's model."""


@dataclass(frozen=True)
class Dependency:
    """Changes of a ``source`` concern a ``dependent`` of the same namespace if ``concerns(source, dependent)``."""

    source: str
    dependent: str
    concerns: Callable[[Manifest, Manifest], bool]


def at(value: Any, *path: str) -> Any:
    """The field of a manifest as a user wrote it, valid or not; None where there is no such field."""
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _items(value: Any) -> Iterator[Any]:
    return iter(value if isinstance(value, list) else [])


def _joins(feature_set: Manifest, training_spec: Any) -> bool:
    references = _items(at(training_spec, "dataset", "featureSets"))
    return any(at(reference, "name") == feature_set["metadata"]["name"] for reference in references)


def _waits_for(feature_set: Manifest, training_job: Manifest) -> bool:
    return _joins(feature_set, training_job.get("spec")) and not at(training_job, "status", "completionTime")


def _learns_from(deployment: Manifest, training_job: Manifest) -> bool:
    labels = _items(at(training_job, "spec", "dataset", "labels"))
    return any(at(source, "outcomesOf") == deployment["metadata"]["name"] for source in labels) and not at(
        training_job, "status", "completionTime"
    )


def _serves(training_job: Manifest, deployment: Manifest) -> bool:
    model = at(deployment, "spec", "model", "registered", "name")
    return model is not None and model == at(training_job, *MODEL_OF_TRAINING)


def _was_created_for(training_job: Manifest, monitor: Manifest) -> bool:
    return bool(at(training_job, "spec", "trigger", "ref", "uid") == monitor["metadata"]["uid"])


def _watched_by(deployment: Manifest, monitor: Manifest) -> bool:
    return bool(at(monitor, "spec", "deploymentRef", "name") == deployment["metadata"]["name"])


def _retrains_with(feature_set: Manifest, monitor: Manifest) -> bool:
    return _joins(feature_set, at(monitor, "spec", "retrain", "template", "spec"))


DEPENDENCIES: tuple[Dependency, ...] = (
    Dependency("FeatureSet", "TrainingJob", _waits_for),
    Dependency("ModelDeployment", "TrainingJob", _learns_from),
    Dependency("TrainingJob", "ModelDeployment", _serves),
    Dependency("TrainingJob", "Monitor", _was_created_for),
    Dependency("ModelDeployment", "Monitor", _watched_by),
    Dependency("FeatureSet", "Monitor", _retrains_with),
)


def dependencies_of(kind: str) -> tuple[Dependency, ...]:
    """What objects of a kind depend on."""
    return tuple(dependency for dependency in DEPENDENCIES if dependency.dependent == kind)
