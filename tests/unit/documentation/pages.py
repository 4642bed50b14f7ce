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
    language: str
    text: str


def name(page: Path) -> str:
    return str(page.relative_to(REPOSITORY))


def blocks(*languages: str) -> list[Block]:
    return [
        Block(name(page), found[2], found[3])
        for page in PAGES
        for found in BLOCK.finditer(page.read_text())
        if found[2] in languages
    ]


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


def commands(block: Block) -> str:
    """What a reader types: lines after `$ ` and their continuations, or all of a block without a prompt."""
    lines = block.text.splitlines()
    if not any(line.startswith("$ ") for line in lines):
        return block.text
    typed: list[str] = []
    for line in lines:
        if line.startswith("$ "):
            typed.append(line[2:])
        elif typed and (typed[-1].endswith("\\") or typed[-1].count("'") % 2 or _open(typed)):
            typed.append(line)
    return "\n".join(typed) + "\n"


def _open(typed: list[str]) -> bool:
    """Whether a quoted text of the last command goes on."""
    return "\n".join(typed).count("'") % 2 == 1
