import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.api.common import NAME_LIMIT, NAME_PATTERN
from homeostat.reconcile.names import child_name, labels_for, number_of, owner_reference, version_name
from homeostat.testing.builders import a_feature_set, a_model_deployment

names = st.from_regex(re.compile(r"[a-z]([-a-z0-9]{0,50}[a-z0-9])?"), fullmatch=True)
purposes = st.sampled_from(["materialize", "train", "evaluate", "retrain"])
numbers = st.integers(1, 999_999)


def test_a_short_name_is_readable() -> None:
    assert child_name("churn", "train", 3) == "churn-train-3"


@given(names, purposes, numbers)
def test_a_child_has_a_valid_name_that_one_of_our_own_kinds_may_have(parent: str, purpose: str, n: int) -> None:
    name = child_name(parent, purpose, n)
    assert len(name) <= NAME_LIMIT
    assert re.fullmatch(NAME_PATTERN, name)
    assert child_name(parent, purpose, n) == name


@given(names, purposes, numbers)
def test_the_number_is_found_again_in_the_name(parent: str, purpose: str, n: int) -> None:
    assert number_of(child_name(parent, purpose, n)) == n


@given(st.text("ab-", min_size=NAME_LIMIT - 3, max_size=NAME_LIMIT - 3), st.sets(names, min_size=2, max_size=2))
def test_distinct_parents_have_distinct_children_even_when_both_are_cut(stem: str, ends: set[str]) -> None:
    one, other = (f"p{stem}"[: NAME_LIMIT - len(end)] + end for end in sorted(ends))
    if one != other:
        assert child_name(one, "materialize", 1) != child_name(other, "materialize", 1)


@given(names, numbers, numbers)
def test_distinct_numbers_have_distinct_names(parent: str, one: int, other: int) -> None:
    assert (child_name(parent, "train", one) == child_name(parent, "train", other)) == (one == other)


@pytest.mark.parametrize("name", ["churn", "churn-v2", "churn-1a"])
def test_a_name_without_a_number_at_its_end_has_none(name: str) -> None:
    assert number_of(name) is None


@given(names, st.integers(1, 10**9 - 1))
def test_a_version_has_a_name_that_a_service_may_have(parent: str, version: int) -> None:
    assert re.fullmatch(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", version_name(parent, str(version)))


def test_labels_say_whose_child_it_is_and_leave_out_what_is_not_given() -> None:
    assert labels_for(a_feature_set("customers"), "materialize", number=4) == {
        "homeostat.dev/kind": "FeatureSet",
        "homeostat.dev/name": "customers",
        "homeostat.dev/purpose": "materialize",
        "homeostat.dev/number": "4",
        "app.kubernetes.io/managed-by": "homeostat",
    }
    assert labels_for(a_model_deployment("churn"), version="2")["homeostat.dev/version"] == "2"


def test_labels_of_argo_cd_and_helm_are_not_inherited() -> None:
    marked = a_feature_set(labels={"argocd.argoproj.io/instance": "x", "app.kubernetes.io/managed-by": "Helm"})
    assert labels_for(marked)["app.kubernetes.io/managed-by"] == "homeostat"
    assert not any("argo" in label for label in labels_for(marked))


def test_the_owner_controls_its_child() -> None:
    owner = owner_reference(a_feature_set("customers", uid="u-1"))
    assert (owner["kind"], owner["name"], owner["uid"], owner["controller"]) == ("FeatureSet", "customers", "u-1", True)
