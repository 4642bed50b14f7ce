"""Each row of datasets.md, decisions.md, signals.md and values.md has a test that fails when the row is broken; rows.toml says which."""

import re
import tomllib
from pathlib import Path

import pytest

from unit.documentation.pages import REPOSITORY, rows

MAP: dict[str, dict[str, list[str]]] = tomllib.loads((Path(__file__).parent / "rows.toml").read_text())


@pytest.mark.parametrize("page", ["docs/datasets.md", "docs/decisions.md", "docs/signals.md", "docs/values.md"])
def test_each_row_has_its_tests_and_no_row_is_listed_that_the_page_has_not(page: str) -> None:
    assert sorted(set(rows(page)) - MAP[page].keys()) == []
    assert sorted(MAP[page].keys() - set(rows(page))) == []
    assert all(MAP[page].values())


def test_each_listed_test_exists() -> None:
    sources = "".join(path.read_text() for path in (REPOSITORY / "tests").rglob("test_*.py"))
    there = set(re.findall(r"^(?:async )?def (test_\w+)", sources, re.MULTILINE))
    listed = {test for page in MAP.values() for tests in page.values() for test in tests}
    assert sorted(listed - there) == []
