"""Every rule of the CRDs, on a real API server: what it accepts, what it refuses, and in which words."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes import client
from kubernetes.client.exceptions import ApiException

from contract.crds.bounds import Beyond, beyond
from contract.crds.cases import ACCEPTED, CHANGE_ACCEPTED, CHANGE_REFUSED, REFUSED
from contract.crds.manifests import PLURALS, Case, Manifest, changed, valid
from homeostat.api.common import GROUP, VERSION

KINDS = sorted(PLURALS)


class Kinds:
    """Writes objects of our kinds under strict field validation."""

    def __init__(self, api: client.ApiClient, namespace: str = "default") -> None:
        self._custom = client.CustomObjectsApi(api)
        self._namespace = namespace

    def try_out(self, manifest: Manifest) -> Any:
        """What would be stored; nothing is."""
        return self.create(manifest, dry_run="All")

    def create(self, manifest: Manifest, **options: Any) -> Any:
        return self._custom.create_namespaced_custom_object(
            GROUP, VERSION, self._namespace, PLURALS[manifest["kind"]], manifest, field_validation="Strict", **options
        )

    def replace(self, manifest: Manifest) -> Any:
        plural, name = PLURALS[manifest["kind"]], manifest["metadata"]["name"]
        return self._custom.replace_namespaced_custom_object(
            GROUP, VERSION, self._namespace, plural, name, manifest, field_validation="Strict"
        )

    def replace_status(self, manifest: Manifest) -> Any:
        plural, name = PLURALS[manifest["kind"]], manifest["metadata"]["name"]
        return self._custom.replace_namespaced_custom_object_status(
            GROUP, VERSION, self._namespace, plural, name, manifest, field_validation="Strict"
        )


def words(error: ApiException) -> str:
    """What the API server says to its user."""
    return str(json.loads(error.body or "{}").get("message", ""))


@pytest.fixture
def kinds(kubernetes_client: client.ApiClient, crds: list[Manifest]) -> Kinds:
    assert crds
    return Kinds(kubernetes_client)


@pytest.fixture
def stored(kubernetes_client: client.ApiClient, crds: list[Manifest], namespace: str) -> Kinds:
    assert crds
    return Kinds(kubernetes_client, namespace)


@pytest.mark.parametrize("kind", KINDS)
def test_the_example_of_every_kind_is_accepted(kinds: Kinds, kind: str) -> None:
    assert kinds.try_out(valid(kind))["spec"]


@pytest.mark.parametrize("case", ACCEPTED, ids=str)
def test_what_is_allowed_is_accepted(kinds: Kinds, case: Case) -> None:
    kinds.try_out(changed(valid(case.kind), case.changes))


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_what_breaks_a_rule_is_refused_in_its_words(kinds: Kinds, case: Case) -> None:
    with pytest.raises(ApiException) as refused:
        kinds.try_out(changed(valid(case.kind), case.changes))
    assert refused.value.status == 422
    assert case.message in words(refused.value)


@pytest.mark.parametrize("case", list(beyond()), ids=str)
def test_what_is_beyond_a_bound_is_refused_by_the_name_of_its_field(kinds: Kinds, case: Beyond) -> None:
    with pytest.raises(ApiException) as refused:
        kinds.try_out(case.manifest())
    assert refused.value.status == 422
    assert case.field in words(refused.value)


@pytest.mark.parametrize("case", CHANGE_ACCEPTED, ids=str)
def test_what_may_change_can_be_changed(stored: Kinds, case: Case) -> None:
    stored.replace(changed(stored.create(valid(case.kind)), case.changes))


@pytest.mark.parametrize("case", CHANGE_REFUSED, ids=str)
def test_what_may_not_change_is_refused_in_its_words(stored: Kinds, case: Case) -> None:
    there = stored.create(valid(case.kind))
    with pytest.raises(ApiException) as refused:
        stored.replace(changed(there, case.changes))
    assert refused.value.status == 422
    assert case.message in words(refused.value)


@pytest.mark.parametrize("kind", KINDS)
def test_an_unknown_field_is_refused_by_its_name(kinds: Kinds, kind: str) -> None:
    with pytest.raises(ApiException) as refused:
        kinds.try_out(changed(valid(kind), {"retries": 3}))
    assert 'unknown field "spec.retries"' in words(refused.value)


def test_an_unknown_field_deep_inside_is_refused_by_its_path(kinds: Kinds) -> None:
    with pytest.raises(ApiException) as refused:
        kinds.try_out(changed(valid("Monitor"), {"retrain.template.spec.dataset.labels.0.uri": "s3://a"}))
    assert 'unknown field "spec.retrain.template.spec.dataset.labels[0].uri"' in words(refused.value)


@pytest.mark.parametrize("kind", KINDS)
def test_a_status_is_written_apart_from_its_spec(stored: Kinds, kind: str) -> None:
    there = stored.create({**valid(kind), "status": {"observedGeneration": 7}})
    assert there["status"] == {"observedGeneration": -1}, "kstatus: no operator has looked at it"
    other = next(case.changes for case in CHANGE_ACCEPTED if case.kind == kind)
    written = stored.replace_status({**changed(there, other), "status": {"observedGeneration": 1}})
    assert written["status"] == {"observedGeneration": 1}
    assert written["spec"] == there["spec"]


def test_defaults_are_filled_in_where_the_documentation_says_so(kinds: Kinds) -> None:
    spec = kinds.try_out(valid("TrainingJob"))["spec"]
    assert (spec["seed"], spec["retry"], spec["suspend"]) == (42, {"limit": 2}, False)


@pytest.mark.parametrize("kind", KINDS)
def test_lists_come_back_as_they_were_written(kinds: Kinds, kind: str) -> None:
    """Tools that compare git with the cluster compare lists as a whole."""
    written = valid(kind)
    lists, stored = dict(_lists(written["spec"])), dict(_lists(kinds.try_out(written)["spec"]))
    assert {path: stored[path] for path in lists} == lists


def _lists(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(node, list):
        yield path, node
    elif isinstance(node, dict):
        for key, value in node.items():
            yield from _lists(value, f"{path}.{key}")


def test_every_rule_of_every_kind_is_refused_by_some_case(crds: list[Manifest]) -> None:
    said = [case.message for case in (*REFUSED, *CHANGE_REFUSED)]
    schemas = (crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"] for crd in crds)
    messages = {message for schema in schemas for message in _messages(schema)}
    assert messages
    assert [message for message in sorted(messages) if not any(part in message for part in said if part)] == []


def _messages(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for item in node:
            yield from _messages(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key == "x-kubernetes-validations":
                yield from (rule["message"] for rule in value)
            else:
                yield from _messages(value)
