from collections.abc import Callable

import httpx
import pytest

from homeostat.engines.http import Engine, Refused
from homeostat.reconcile.errors import EngineUnavailable


def engine(answer: Callable[[httpx.Request], httpx.Response]) -> Engine:
    return Engine("MLflow", "http://mlflow:5000", "HOMEOSTAT_MLFLOW_URL", transport=httpx.MockTransport(answer))


def no_answer(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("connection refused", request=request)


def test_an_outage_names_the_address_and_the_variable_to_check() -> None:
    with pytest.raises(EngineUnavailable, match=r"MLflow at http://mlflow:5000 .*refused.*HOMEOSTAT_MLFLOW_URL"):
        engine(no_answer).call("GET", "/")


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408, 429])
def test_a_failure_that_may_pass_is_an_outage(status: int) -> None:
    with pytest.raises(EngineUnavailable, match=f"{status} wait"):
        engine(lambda _: httpx.Response(status, text="wait")).call("GET", "/")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422])
def test_a_refusal_keeps_the_words_of_the_engine(status: int) -> None:
    with pytest.raises(Refused, match="no such thing") as raised:
        engine(lambda _: httpx.Response(status, text="no such\n thing")).call("GET", "/")
    assert (raised.value.status, raised.value.code) == (status, "")


def test_a_refusal_keeps_the_code_of_the_engine() -> None:
    body = {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "m"}
    with pytest.raises(Refused) as raised:
        engine(lambda _: httpx.Response(404, json=body)).call("GET", "/")
    assert raised.value.code == "RESOURCE_DOES_NOT_EXIST"


def test_an_answer_of_something_else_on_that_address_is_an_outage() -> None:
    with pytest.raises(EngineUnavailable, match="not JSON: <html>"):
        engine(lambda _: httpx.Response(200, text="<html>")).call("GET", "/")
