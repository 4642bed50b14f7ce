"""What the documentation names exists, and what exists is in the documentation."""

import re
from pathlib import Path

import pytest

from tools.reference import REFERENCE, pages, routes, settings_classes, variables
from unit.documentation.pages import PAGES, REPOSITORY, name, prose
from unit.documentation.programs import MAKEFILE

SOURCES = "".join(
    path.read_text()
    for folder in ("src", "operators", "services", "pipelines", "tools", "tests", "charts")
    for path in (REPOSITORY / folder).rglob("*")
    if path.suffix in {".py", ".yaml", ".tpl", ".sh"} and "unit/documentation" not in str(path)
)
ROOMS = "docs|tests|src|operators|services|pipelines|tools|charts|manifests|requirements"


@pytest.mark.parametrize("page", [*pages()], ids=lambda page: page.name)
def test_a_page_of_reference_is_what_the_code_gives(page: Path) -> None:
    assert page.read_text() == pages()[page], "run `make generate`"


def test_every_setting_of_the_code_is_in_the_reference() -> None:
    text = (REFERENCE / "settings.md").read_text()
    names = [variable for settings in settings_classes() for variable, _, _ in variables(settings)]
    assert [each for each in names if f"`{each}`" not in text] == []


def test_every_variable_that_a_page_names_is_read_by_the_code() -> None:
    known = {variable for settings in settings_classes() for variable, _, _ in variables(settings)}
    named = {
        (page, each) for page, text in prose().items() for each in re.findall(r"HOMEOSTAT_[A-Z0-9_]*[A-Z0-9]\b", text)
    }
    assert [(page, each) for page, each in sorted(named) if each not in known and each not in SOURCES] == []


def test_every_route_that_a_page_names_is_one_of_a_service() -> None:
    there = {re.sub(r"\{[^}]*\}", "{}", route.path) for listed in routes().values() for route in listed}
    named = {
        (page, path)
        for page, text in prose().items()
        for path in re.findall(r"`(?:GET |POST )?(/(?:v1|v2|api/v1)/[^`? ]*)", text)
    }
    unknown = [
        (page, path)
        for page, path in sorted(named)
        if not any(re.fullmatch(re.escape(one).replace(r"\{\}", "[^/]+"), path.rstrip("/")) for one in there)
    ]
    assert unknown == []


def test_every_public_make_target_is_named_by_a_page() -> None:
    text = "\n".join(page.read_text() for page in PAGES if page.name != "CHANGELOG.md")
    named = set(re.findall(r"`make ([a-z0-9-]+)", text)) | set(re.findall(r"^\$ make ([a-z0-9-]+)", text, re.MULTILINE))
    public = set(re.findall(r"^([a-z0-9-]+):.*## ", MAKEFILE, re.MULTILINE))
    assert sorted(public - named) == []


def test_every_file_that_a_page_names_exists() -> None:
    named = {
        (page, path)
        for page, text in prose().items()
        if page != "CHANGELOG.md"
        for path in re.findall(rf"`((?:{ROOMS})/[\w./*-]+)`", text)
    }
    assert [(page, path) for page, path in sorted(named) if not any(REPOSITORY.glob(path.rstrip("/")))] == []


def test_every_relative_link_leads_somewhere() -> None:
    broken = []
    for page in PAGES:
        text = re.sub(r"`[^`\n]*`", "", prose()[name(page)])
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            path, _, anchor = target.partition("#")
            if "://" in target or target.startswith("mailto:"):
                continue
            there = (page.parent / path).resolve() if path else page
            if not there.exists() or (anchor and anchor not in _anchors(there)):
                broken.append((name(page), target))
    assert broken == []


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


ADR = REPOSITORY / "docs" / "adr"
RECORDS = sorted(ADR.glob("0*.md"))


@pytest.mark.parametrize("record", RECORDS, ids=lambda path: path.stem)
def test_a_decision_record_has_the_form_of_the_template(record: Path) -> None:
    title, _, status, *_ = record.read_text().splitlines()
    assert re.fullmatch(rf"# {record.name[:4]}: .+[^.]", title)
    assert re.match(r"Status: (proposed|accepted|superseded)\b.* Date: \d{4}-\d\d-\d\d\.", status)
    sections = re.findall(r"^\*\*([A-Z][\w ]*)\.\*\*", record.read_text(), re.MULTILINE)
    assert (sections[0], sections[-1]) == ("Decision", "Cost")
    assert "\n## " not in record.read_text()


def test_the_list_of_decision_records_has_the_title_of_each() -> None:
    listed = re.findall(r"^\| \[(\d{4})\]\((.+?)\) \| (.+) \|$", (ADR / "README.md").read_text(), re.MULTILINE)
    titles = [(path.name[:4], path.name, path.read_text().splitlines()[0][8:]) for path in RECORDS]
    assert listed == titles
