"""Seldon's own Python package: its clients against our predictor, and our models in its server."""

import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from seldon_python.serving import SELDON, Ports, Row, Trained, end, free_ports, microservice

INPUTS = ["contract", "tenure", "charge", "paperless"]
DATATYPES = ["BYTES", "INT64", "FP64", "BOOL"]
CONTRACT = Path(__file__).parent / "contract.json"
Ask = Callable[..., list[dict[str, Any]]]


def table(rows: list[Row], names: list[str]) -> dict[str, Any]:
    """Arguments of SeldonClient that send these columns."""
    return {"names": names, "data": [[row[name] for name in names] for row in rows], "payload_type": "ndarray"}


def scores(asked: dict[str, Any]) -> list[float]:
    """The predictions in what SeldonClient gave, whatever form they have."""
    assert asked["success"], asked
    data = asked["response"]["data"]
    assert data["names"] == ["probability"]
    found: list[float] = [row[0] for row in data["ndarray"]] if "ndarray" in data else data["tensor"]["values"]
    return found


def single(values: list[float]) -> list[float]:
    """Values to single precision, which the model computes in."""
    return [float(value) for value in np.array(values, dtype=np.float32)]


def by_v2(base: str, rows: list[Row]) -> list[float]:
    """The same rows asked by the Open Inference Protocol."""
    inputs = [
        {"name": name, "shape": [len(rows)], "datatype": datatype, "data": [row[name] for row in rows]}
        for name, datatype in zip(INPUTS, DATATYPES, strict=True)
    ]
    response = httpx.post(f"http://{base}/v2/models/churn/infer", json={"inputs": inputs}, trust_env=False)
    found: list[float] = response.raise_for_status().json()["outputs"][0]["data"]
    return found


def test_seldons_client_gets_the_predictions_of_v2(predictor: str, trained: Trained, ask: Ask) -> None:
    asked = table(trained.rows, ["customer_id", *INPUTS])
    at = {"gateway_endpoint": predictor, "microservice_endpoint": predictor, "deployment_name": "churn"}
    found = ask(
        {"client": {**at, "gateway": "seldon"}, "method": "predict", "with": asked},
        {"client": {**at, "gateway": "istio", "namespace": "churn"}, "method": "predict", "with": asked},
        {"client": {**at, "gateway": "ambassador"}, "method": "predict", "with": {"json_data": trained.rows}},
        {"client": at, "method": "microservice", "with": {**asked, "method": "predict"}},
    )
    expected = by_v2(predictor, trained.rows)
    assert len(set(expected)) > 10
    for each in found:
        assert scores(each) == expected
        assert each["response"]["meta"]["puid"]
        assert each["response"]["meta"]["tags"] == {
            "model": "churn.churn",
            "version": "1",
            "deployment": "churn/churn",
        }


def test_seldons_client_looks_customers_up(lookup_predictor: str, predictor: str, trained: Trained, ask: Ask) -> None:
    (found,) = ask(
        {
            "client": {"gateway": "seldon", "gateway_endpoint": lookup_predictor},
            "method": "predict",
            "with": table(trained.rows, ["customer_id"]),
        }
    )
    assert scores(found) == by_v2(predictor, trained.rows)


def test_seldons_client_is_answered_with_what_is_wrong(predictor: str, ask: Ask) -> None:
    client = {"gateway": "seldon", "gateway_endpoint": predictor}
    wrong, tensor = ask(
        {"client": client, "method": "predict", "with": table([{**dict.fromkeys(INPUTS), "tenure": "x"}], INPUTS)},
        {"client": client, "method": "predict", "with": {"names": INPUTS, "data": [[1.0] * len(INPUTS)]}},
    )
    assert (wrong["success"], wrong["msg"]) == (False, "400:Bad Request")
    info = "data.ndarray[0], column tenure, is 'x'; give a whole number, or null if it is not known"
    assert wrong["response"]["status"] == {
        "code": 400,
        "info": info,
        "reason": "MICROSERVICE_BAD_DATA",
        "status": "FAILURE",
    }
    assert "data.tensor, row 0, column contract, is 1.0; give a string" in tensor["response"]["status"]["info"]


def printed_by(program: str, base: str, *more: str) -> str:
    """What one of Seldon's testers printed, asking thrice for batches of two."""
    host, port = base.split(":")
    done = subprocess.run(
        [str(SELDON / program), str(CONTRACT), host, port, *more, "-p", "-n", "3", "-b", "2"],
        stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    return done.stdout


def answered(base: str) -> int:
    """How many requests the predictor answered with predictions."""
    text = httpx.get(f"http://{base}/metrics", trust_env=False).text
    (count,) = re.findall(
        r'^homeostat_requests_total\{code="200",.*mirrored="false",.*\} ([0-9.]+)$', text, re.MULTILINE
    )
    return int(float(count))


@pytest.mark.parametrize(
    ("program", "more"),
    [("seldon-core-api-tester", ["churn", "--namespace", "churn"]), ("seldon-core-microservice-tester", [])],
)
def test_seldons_testers_get_an_answer_for_every_batch(predictor: str, program: str, more: list[str]) -> None:
    before = answered(predictor)
    printed = printed_by(program, predictor, *more)
    assert answered(predictor) - before == 3
    assert printed.count("puid") == 3
    assert printed.count("probability") == 3


def test_seldons_server_gives_the_predictors_predictions(
    predictor: str, wrapper: Ports, trained: Trained, ask: Ask
) -> None:
    client = {"microservice_endpoint": f"127.0.0.1:{wrapper.http}"}
    over_grpc = {"microservice_endpoint": f"127.0.0.1:{wrapper.grpc}"}
    asked = {**table(trained.rows, ["customer_id", *INPUTS]), "method": "predict"}
    found = ask(
        {"client": client, "method": "microservice", "with": asked},
        {"client": client, "method": "microservice", "with": {"json_data": trained.rows, "method": "predict"}},
        {"client": over_grpc, "method": "microservice", "with": {**asked, "transport": "grpc"}},
    )
    expected = single(by_v2(predictor, trained.rows))
    for each in found:
        assert single(scores(each)) == expected
        assert each["response"]["meta"]["tags"] == {"model": "churn.churn", "digest": trained.digest}


def test_seldons_tester_gets_an_answer_of_seldons_server(wrapper: Ports) -> None:
    assert printed_by("seldon-core-microservice-tester", f"127.0.0.1:{wrapper.http}").count("probability") == 3


def test_seldons_server_says_what_is_wrong_over_both_protocols(wrapper: Ports, trained: Trained, ask: Ask) -> None:
    wrong = {**table([{**trained.rows[0], "tenure": "x"}], INPUTS), "method": "predict"}
    rest, grpc = ask(
        {"client": {"microservice_endpoint": f"127.0.0.1:{wrapper.http}"}, "method": "microservice", "with": wrong},
        {
            "client": {"microservice_endpoint": f"127.0.0.1:{wrapper.grpc}"},
            "method": "microservice",
            "with": {**wrong, "transport": "grpc"},
        },
    )
    info = "column 'tenure', row 0, is 'x'; give a number, or null if it is not known"
    assert rest["response"]["status"]["info"] == info
    assert info in grpc["msg"]


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "no rows": ({"strData": "x"}, "the message has no rows in a supported form; give data.names with"),
    "wrong name": (
        {"jsonData": {"tenur": 1}},
        "column 'tenur' is not an input of this model; the inputs are contract, tenure",
    ),
    "missing": ({"jsonData": {"contract": "month"}}, "is missing; add it, with null where"),
    "short row": ({"data": {"names": INPUTS, "ndarray": [["month"]]}}, "row 0 is ['month']; give one value for each"),
    "differing": ({"jsonData": [{"tenure": 1}, {}]}, "row 1 is {}; give one value for each of tenure"),
    "short tensor": ({"data": {"names": ["tenure"], "tensor": {"shape": [2, 2], "values": [1, 2, 3]}}}, "row 0 is [1"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_seldons_server_names_a_mistake(wrapper: Ports, mistake: str) -> None:
    body, text = MISTAKES[mistake]
    response = httpx.post(f"http://127.0.0.1:{wrapper.http}/api/v1.0/predictions", json=body, trust_env=False)
    assert response.status_code == 400
    assert text in response.json()["status"]["info"]


def refusal(folder: Path, digest: str) -> str:
    """What Seldon's server said when it ended by itself."""
    process = microservice(free_ports(3), folder, digest, stderr=subprocess.PIPE)
    try:
        _, errors = process.communicate(timeout=120)
    finally:
        end(process)
    assert process.returncode > 0
    return errors


@pytest.mark.parametrize("name", ["manifest.json", "model.onnx"])
def test_a_model_that_was_changed_is_not_served_by_seldons_server(trained: Trained, tmp_path: Path, name: str) -> None:
    shutil.copytree(trained.folder, tmp_path, dirs_exist_ok=True)
    with (tmp_path / name).open("ab") as file:
        file.write(b" ")
    assert re.search(rf"{name} has digest sha256:.* it was changed after training", refusal(tmp_path, trained.digest))


def test_a_model_that_fails_its_own_examples_is_not_served_by_seldons_server(trained: Trained, tmp_path: Path) -> None:
    shutil.copytree(trained.folder, tmp_path, dirs_exist_ok=True)
    examples = json.loads((tmp_path / "examples.json").read_text())
    examples[2]["output"] += 0.001
    (tmp_path / "examples.json").write_text(json.dumps(examples))
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    manifest["files"]["examples.json"] = digest_of(tmp_path / "examples.json")
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    said = refusal(tmp_path, digest_of(tmp_path / "manifest.json"))
    assert "the model does not predict its examples as at training; it is not served" in said


def digest_of(path: Path) -> str:
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
