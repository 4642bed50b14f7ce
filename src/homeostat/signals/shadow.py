"""A candidate in shadow: its predictions on mirrored requests, compared with those returned to callers."""

from collections.abc import Iterable

from pydantic import Field

from homeostat.documents import TolerantDocument
from homeostat.tasks.binary import BOUNDARY

NEWEST = 20_000
"""Newest mirrored requests that are compared: more would change no figure and cost time at every poll."""


class ShadowComparison(TolerantDocument):
    """Predictions on mirrored requests, compared with those returned to the callers of the same requests."""

    mirrored: int = Field(0, ge=0, description="Predictions made on mirrored requests.")
    compared: int = Field(0, ge=0, description="Those compared with the prediction returned to the caller.")
    difference_sum: float = Field(0.0, description="Sum of the candidate's score minus the returned score.")
    absolute_difference_sum: float = Field(0.0, ge=0, description="Sum of the absolute differences.")
    max_absolute_difference: float = Field(0.0, ge=0, le=1)
    disagreements: int = Field(
        0, ge=0, description="Comparisons in which the two scores lie on different sides of 0.5."
    )

    def sentence(self) -> str:
        """The comparison in words; empty while nothing is compared."""
        if not self.compared:
            return ""
        mean = self.difference_sum / self.compared
        absolute = self.absolute_difference_sum / self.compared
        where = "higher" if mean >= 0 else "lower"
        return (
            f"On {self.compared} mirrored requests its scores are {abs(mean):.3f} {where} on average than those returned to callers "
            f"(mean absolute difference {absolute:.3f}, largest {self.max_absolute_difference:.3f}); "
            f"{self.disagreements / self.compared:.1%} fall on the other side of {BOUNDARY}."
        )


def compare(mirrored: int, pairs: Iterable[tuple[float, float]]) -> ShadowComparison:
    """Compare predictions one by one.

    Args:
        mirrored: Predictions made on mirrored requests, compared or not.
        pairs: (candidate's score, score returned to the caller).
    """
    known = list(pairs)
    differences = [abs(mine - theirs) for mine, theirs in known]
    return ShadowComparison(
        mirrored=mirrored,
        compared=len(known),
        difference_sum=sum(mine - theirs for mine, theirs in known),
        absolute_difference_sum=sum(differences),
        max_absolute_difference=max(differences, default=0.0),
        disagreements=sum((mine >= BOUNDARY) != (theirs >= BOUNDARY) for mine, theirs in known),
    )
