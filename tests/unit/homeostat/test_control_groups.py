"""How much memory a run may use."""

import os
from pathlib import Path

import pytest

from homeostat.control_groups import memory_limit

MACHINE = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def member(folder: Path, line: str) -> Path:
    file = folder / "membership"
    file.write_text(f"{line}\n")
    return file


@pytest.mark.parametrize(
    ("line", "file"),
    [("0::/", "memory.max"), ("4:memory:/", "memory/memory.limit_in_bytes"), ("0::/pod/run", "pod/memory.max")],
)
def test_the_limit_is_that_of_the_group_or_of_an_ancestor(tmp_path: Path, line: str, file: str) -> None:
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text("2147483648\n")
    assert memory_limit(tmp_path, member(tmp_path, line)) == 2 * 2**30


@pytest.mark.parametrize("text", ["max\n", "9223372036854771712\n", "nothing"])
def test_without_a_limit_it_is_the_memory_of_the_machine(tmp_path: Path, text: str) -> None:
    (tmp_path / "memory.max").write_text(text)
    assert memory_limit(tmp_path, member(tmp_path, "0::/")) == MACHINE
    assert memory_limit(tmp_path, tmp_path / "none") == MACHINE
