"""The commands of a page: those of its blocks of shell, and those that a sentence names between backticks."""

import io
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from unit.documentation.pages import BLOCK, REPOSITORY, Block, blocks_of

SHELL = {"sh", "bash", "console", "shell"}
COMMENT = re.compile(r"(\"(?:[^\"\\]|\\.)*\"|'[^']*')|(?:^|(?<=\s))#[^\n]*", re.MULTILINE | re.DOTALL)
PLACEHOLDER = re.compile(r"<([\w |-]+)>")
SPAN = re.compile(r"(?<!`)`([^`\n]+(?:\n[^`\n]+)?)`(?!`)")
INDENTED = re.compile(r"^(?: {4,}|\t)(?:\$ )?(\S+)", re.MULTILINE)


class Invalid(Exception):  # noqa: N818 - what is wrong with a command
    """A command that its program would refuse."""


@dataclass(frozen=True)
class Command:
    """One command of a page.

    Attributes:
        page: Where it is.
        line: Where its first word is.
        words: The program and its arguments, without quotes; `~x~` stands for what the reader puts in.
        folder: Where it runs, as the `cd` commands before it say.
        inline: It is part of a sentence, which may name a program's command without its arguments.
        unreadable: Why a shell could not read it; then there are no words.
    """

    page: str
    line: int
    words: tuple[str, ...]
    folder: Path = REPOSITORY
    inline: bool = False
    unreadable: str = ""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}: {' '.join(self.words)[:60]}"


def typed(text: str) -> str:
    """What a reader types of a block, on the same lines: after `$ ` where there is a prompt, else all; no comments."""
    if re.search(r"^\$ ", text, re.MULTILINE):
        kept = ""
        for line in text.splitlines():
            continues = kept.endswith("\\\n") or kept.count("'") % 2 == 1
            own = f"  {line[2:]}" if line.startswith("$ ") else line if continues else " " * len(line)
            kept = _without_comments(f"{kept}{own}\n")
        return kept
    return _without_comments(text)


def _without_comments(text: str) -> str:
    return COMMENT.sub(lambda found: found[1] or " " * len(found[0]), text)


def split(text: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Line, from 0, and words of each simple command, without variables that are set for it and redirections.

    Raises:
        ValueError: A quote has no end.
        Invalid: It is more than a list of simple commands.
    """
    text = PLACEHOLDER.sub(lambda found: f"~{found[1].replace(' ', '_').replace('|', '¦')}~", text)
    stream = io.StringIO(text.replace("\\\n", "  "))
    lexer = shlex.shlex(stream, posix=True, punctuation_chars=";&|()<>\n")
    lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t\r", True, ""
    words: list[str] = []
    line = 0
    while (word := lexer.get_token()) is not None:
        if word and set(word) <= set(";&|\n"):
            if words:
                yield line, tuple(words)
            words = []
        elif set(word) & set("<>") and set(word) <= set("<>&"):
            lexer.get_token()
        elif word and set(word) <= set("()"):
            raise Invalid("parentheses outside of quotes are not validated")
        elif words or not re.match(r"\w+=", word):
            line = line if words else text.count("\n", 0, stream.tell() - 1)
            words.append(word)
    if words:
        yield line, tuple(words)


def of_block(block: Block) -> Iterator[Command]:
    """The commands of a block of shell, in order."""
    folder = REPOSITORY
    try:
        for line, words in split(typed(block.text)):
            yield Command(block.page, block.line + line, words, folder)
            if words[0] == "cd":
                folder = folder / words[1]
    except (ValueError, Invalid) as error:
        yield Command(block.page, block.line, (), unreadable=f"a command of this block cannot be read: {error}")


def commands(page: str, text: str, programs: set[str]) -> list[Command]:
    """All commands of a page: of its blocks, and of spans between backticks that begin with one of the programs."""
    found = [command for block in blocks_of(page, text) if block.language in SHELL for command in of_block(block)]
    prose = BLOCK.sub(lambda block: re.sub(r"[^\n]", " ", block[0]), text)
    for span in SPAN.finditer(prose):
        if span[1].split()[0] not in programs or len(span[1].split()) == 1:
            continue
        line = prose.count("\n", 0, span.start()) + 1
        found += [Command(page, line, words, inline=True) for _, words in split(span[1].replace("\n", " "))]
    return found


def is_placeholder(word: str) -> bool:
    """Whether the reader puts something else here."""
    return "…" in word or "$" in word or re.search("~.+~", word) is not None


def options(words: tuple[str, ...], valued: set[str], switches: set[str]) -> tuple[list[str], dict[str, list[str]]]:
    """Arguments without a name, and the values of each option.

    Raises:
        Invalid: An option is in neither set, or lacks its value.
    """
    positional: list[str] = []
    named: dict[str, list[str]] = {}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        option, equals, value = word.partition("=") if word.startswith("--") else (word, "", "")
        if word == "…" or not word.startswith("-") or word == "-":
            positional.append(word)
        elif option in switches:
            named.setdefault(option, [])
        elif option not in valued:
            raise Invalid(f"option {option} is unknown")
        elif not equals and not rest:
            raise Invalid(f"option {option} needs a value")
        else:
            named.setdefault(option, []).append(value if equals else rest.pop(0))
    return [word for word in positional if word != "…"], named
