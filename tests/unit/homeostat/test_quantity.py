from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubernetes.utils import quantity

from homeostat.reconcile.quantity import parse_quantity

SUFFIXES = ("", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")


@given(st.decimals(0, 10**6, places=3), st.sampled_from(SUFFIXES))
def test_a_quantity_is_what_kubernetes_own_client_takes_it_for(number: Decimal, suffix: str) -> None:
    text = f"{number}{suffix}"
    assert parse_quantity(text) == quantity.parse_quantity(text)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("text", ["", "Mi", "1 Gi", "1Ki2", "mi", "1ki", "NaN", "1.2.3"])
def test_what_is_no_quantity_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match="is not a quantity"):
        parse_quantity(text)
