"""What every serving engine promises, as sentences; a subclass says on which stage they are played."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from homeostat.api.v1alpha1.modeldeployment import ModelDeployment
from homeostat.conventions import HTTP_PORT
from homeostat.engines.serving import Serving, ServingEngine, ServingObjects, Version, children_of, predictor
from homeostat.reconcile.names import NAME_LABEL, VERSION_LABEL

NOWHERE = "localhost/homeostat/no-such-image:none"


class Stage(Protocol):
    """A cluster with one ModelDeployment of one pod a version."""

    engine: ServingEngine
    resource: ModelDeployment
    image: str
    versions: tuple[Version, Version]
    """Two versions that can be served."""

    def apply(self, *versions: Version, image: str | None = None) -> None:
        """Applies what the engine asks for, and nothing else."""
        ...

    def found(self) -> ServingObjects:
        """What the cluster holds."""
        ...

    def get(self, api_version: str, kind: str, name: str) -> dict[str, Any] | None:
        """An object."""
        ...

    def delete(self, api_version: str, kind: str, name: str) -> None:
        """Deletes an object."""
        ...

    def until(self, what: str, done: Callable[[ServingObjects], bool]) -> ServingObjects:
        """What the cluster holds, once it is as told."""
        ...


def _uids(found: ServingObjects, version: str) -> set[str]:
    return {pod["metadata"]["uid"] for pod in found["Pod"] if predictor.version_of(pod) == version}


class ServingSuite:
    """The port's contract."""

    def complete(self, stage: Stage, *versions: Version) -> ServingObjects:
        """Waits until these versions, and no others, are complete."""
        wanted = {version.number for version in versions}

        def done(found: ServingObjects) -> bool:
            seen = stage.engine.servings(found)
            return seen.keys() == wanted and all(serving.complete for serving in seen.values())

        return stage.until(f"complete: {', '.join(sorted(wanted))}", done)

    def test_a_version_becomes_complete_under_the_labels_that_the_router_looks_for(self, stage: Stage) -> None:
        first, _ = stage.versions
        stage.apply(replace(first, weight=100))
        found = self.complete(stage, first)
        (pod,) = found["Pod"]
        labels: Mapping[str, str] = pod["metadata"]["labels"]
        assert labels[predictor.COMPONENT_LABEL] == predictor.PREDICTOR
        assert (labels[NAME_LABEL], labels[VERSION_LABEL]) == (stage.resource.metadata.name, first.number)
        assert stage.engine.servings(found)[first.number].desired == 1

    def test_the_service_that_the_status_names_is_there_and_leads_to_the_predictor(self, stage: Stage) -> None:
        first, _ = stage.versions
        stage.apply(replace(first, weight=100))
        self.complete(stage, first)
        service = stage.get("v1", "Service", stage.engine.service(stage.resource, first.number))
        assert service is not None
        assert HTTP_PORT in {port["port"] for port in service["spec"]["ports"]} | {
            port.get("targetPort") for port in service["spec"]["ports"]
        }

    def test_a_second_version_leaves_the_pods_of_the_first_alone(self, stage: Stage) -> None:
        first, second = stage.versions
        stage.apply(replace(first, weight=100))
        before = _uids(self.complete(stage, first), first.number)
        stage.apply(replace(first, weight=75), replace(second, weight=25))
        after = self.complete(stage, first, second)
        assert _uids(after, first.number) == before
        assert len(_uids(after, second.number)) == 1

    def test_an_image_that_cannot_be_had_is_reported_by_name_and_the_version_is_not_complete(
        self, stage: Stage
    ) -> None:
        first, _ = stage.versions
        stage.apply(replace(first, weight=100), image=NOWHERE)

        def told(found: ServingObjects) -> bool:
            seen: Serving | None = stage.engine.servings(found).get(first.number)
            return seen is not None and "Image" in seen.failure_message

        seen = stage.engine.servings(stage.until("the pod says what is wrong", told))[first.number]
        assert not seen.complete
        assert seen.ready == 0

    def test_what_a_version_left_behind_goes_for_good_and_the_pods_of_the_other_stay(self, stage: Stage) -> None:
        first, second = stage.versions
        stage.apply(replace(first, weight=75), replace(second, weight=25))
        before = _uids(self.complete(stage, first, second), second.number)
        stage.apply(replace(second, weight=100))
        for child in children_of(stage.found(), stage.engine):
            if child.version == first.number:
                stage.delete(child.api_version, child.kind, child.name)
        stage.until("its pods are gone", lambda seen: not _uids(seen, first.number))
        assert _uids(self.complete(stage, second), second.number) == before
