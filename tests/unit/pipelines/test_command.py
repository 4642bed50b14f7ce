"""The command line of a run."""

import sys
from pathlib import Path

import pytest

from homeostat_pipelines import __main__ as command


@pytest.mark.parametrize("name", ["materialize", "train", "evaluate"])
def test_an_input_that_cannot_be_read_ends_with_status_two_and_names_its_place(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "input.json"
    monkeypatch.setattr(sys, "argv", ["homeostat_pipelines", name, "--input", str(place)])
    assert command.main() == 2
    assert f"{name}: {place} or the settings are wrong" in capsys.readouterr().err
    place.write_text('{"namespace": 1}')
    assert command.main() == 2
    assert "namespace" in capsys.readouterr().err


def test_without_a_file_the_input_is_that_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["homeostat_pipelines", "train"])
    monkeypatch.setenv("HOMEOSTAT_INPUT", "{")
    assert command.main() == 2
    assert "train: HOMEOSTAT_INPUT or the settings are wrong" in capsys.readouterr().err
