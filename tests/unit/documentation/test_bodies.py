"""Sentences about the body of a request name the fields that its service takes; test_commands.py validates those that are sent."""

import re

import pytest
from pydantic import BaseModel

from unit.documentation.pages import PAGES, name
from unit.documentation.programs import BODIES

PATH = re.compile(rf"(?:{'|'.join(map(re.escape, BODIES))})(?![\w/])")
TEXTS = {name(page): page.read_text() for page in PAGES}
SENTENCES = [
    (page, PATH.findall(text[: found.start()])[-1], found[0])
    for page, text in TEXTS.items()
    for found in re.finditer(r"The body is [^.]*\.", text)
]


@pytest.mark.parametrize(("page", "path", "sentence"), SENTENCES)
def test_a_field_that_a_body_is_described_by_exists(page: str, path: str, sentence: str) -> None:
    model = BODIES[path]
    assert issubclass(model, BaseModel)
    fields = {field.alias or key for key, field in model.model_fields.items()}
    named = {each for words in re.findall(r"`([^`]*)`", sentence) for each in re.findall(r"\w+", words)}
    assert named - fields == set(), page


def test_the_body_of_a_training_request_is_described() -> None:
    assert {path for _, path, _ in SENTENCES} == {"/api/v1/trainingjobs"}
