"""Every reason, cause and metric that the code has is explained in the documentation."""

from enum import StrEnum
from pathlib import Path

import pytest

from homeostat.api.v1alpha1.featureset import FeatureSetReason
from homeostat.api.v1alpha1.modeldeployment import ModelDeploymentReason
from homeostat.api.v1alpha1.monitor import MonitorReason
from homeostat.api.v1alpha1.trainingjob import TrainingJobReason
from homeostat.signals import Cause
from homeostat_operators.core.loop import REASONS

DOCS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize(
    ("words", "pages"),
    [
        (Cause, ("decisions.md",)),
        (FeatureSetReason, ("conditions.md",)),
        (TrainingJobReason, ("conditions.md",)),
        (ModelDeploymentReason, ("conditions.md",)),
        (MonitorReason, ("decisions.md", "conditions.md")),
    ],
)
def test_every_reason_and_cause_is_explained(words: type[StrEnum], pages: tuple[str, ...]) -> None:
    told = "".join((DOCS / page).read_text() for page in pages)

    assert [word.value for word in words if f"`{word}`" not in told] == []


def test_every_reason_that_the_loop_itself_gives_is_explained_for_every_kind() -> None:
    text = (DOCS / "conditions.md").read_text()
    every_kind = text[: text.index("\n## ")]

    assert [reason for reason in REASONS if f"| `{reason}` |" not in every_kind] == []
