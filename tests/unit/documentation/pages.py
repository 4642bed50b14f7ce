"""The documentation as text: pages, blocks, table rows and list items."""

import re
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[3]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "operators/*.md", "services/*.md", "pipelines/*.md")
    for path in REPOSITORY.glob(pattern)
)
BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    page: str
    line: int
    """Of its first line in the page."""
    language: str
    text: str


def name(page: Path) -> str:
    return str(page.relative_to(REPOSITORY))


def blocks_of(page: str, text: str) -> list[Block]:
    return [Block(page, text.count("\n", 0, found.start(3)) + 1, found[2], found[3]) for found in BLOCK.finditer(text)]


def blocks(*languages: str) -> list[Block]:
    """Blocks of all pages in one of the languages; without one: all."""
    found = [block for page in PAGES for block in blocks_of(name(page), page.read_text())]
    return [block for block in found if not languages or block.language in languages]


def prose() -> dict[str, str]:
    """Text of each page without its blocks."""
    return {name(page): BLOCK.sub("", page.read_text()) for page in PAGES}


def rows(page: str) -> list[str]:
    """First cells of a page's tables, and the words in bold that begin its list items."""
    lines = (REPOSITORY / page).read_text().splitlines()
    found = []
    for before, line in zip(["", *lines], lines, strict=False):
        if line.startswith("|") and not line.startswith("|--") and before.startswith("|"):
            found.append(line.strip("|").split("|")[0].strip().replace("`", ""))
        elif item := re.match(r"^(?:- |\d+\. )\*\*(.+?)\*\*", line):
            found.append(item[1].rstrip("."))
    return found
