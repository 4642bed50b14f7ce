"""Bodies of requests in the documentation are those that the services take."""

import json
import re

import pytest
from pydantic import BaseModel

from homeostat_services.console.trigger import TrainingRequest
from homeostat_services.features.app import Lookup
from homeostat_services.observer.messages import Business, Outcomes, Predictions
from unit.documentation.pages import PAGES, name

BODIES: dict[str, type[BaseModel]] = {
    "/api/v1/trainingjobs": TrainingRequest,
    "/v1/business": Business,
    "/v1/features/lookup": Lookup,
    "/v1/outcomes": Outcomes,
    "/v1/predictions": Predictions,
}
PATH = re.compile(rf"(?:{'|'.join(map(re.escape, BODIES))})(?![\\w/])")
TEXTS = {name(page): page.read_text() for page in PAGES}
SENT = [
    (page, path, found[1])
    for page, text in TEXTS.items()
    for found in re.finditer(r"curl [^`]*?-d '([^']*)'", text)
    for path in PATH.findall(found[0])
]
SENTENCES = [
    (page, PATH.findall(text[: found.start()])[-1], found[0])
    for page, text in TEXTS.items()
    for found in re.finditer(r"The body is [^.]*\.", text)
]


@pytest.mark.parametrize(("page", "path", "body"), SENT)
def test_a_body_that_is_shown_is_accepted(page: str, path: str, body: str) -> None:
    assert BODIES[path].model_validate(json.loads(body)), page


@pytest.mark.parametrize(("page", "path", "sentence"), SENTENCES)
def test_a_field_that_a_body_is_described_by_exists(page: str, path: str, sentence: str) -> None:
    fields = {field.alias or key for key, field in BODIES[path].model_fields.items()}
    named = {each for words in re.findall(r"`([^`]*)`", sentence) for each in re.findall(r"\w+", words)}
    assert named - fields == set(), page


def test_bodies_are_described_and_shown() -> None:
    assert {path for _, path, _ in SENT} >= {"/api/v1/trainingjobs", "/v1/outcomes"}
    assert {path for _, path, _ in SENTENCES} == {"/api/v1/trainingjobs"}
