"""A candidate in shadow: what it said about copies of requests, beside what the callers were told."""

from collections.abc import Iterable

from pydantic import Field

from homeostat.documents import TolerantDocument

NEWEST = 20_000
"""Copies that are compared at most, the newest: the rest of a long step would change no figure and cost every look."""
BOUNDARY = 0.5
"""Score from which on a prediction counts as positive, as for accuracy."""


class ShadowComparison(TolerantDocument):
    """Predictions made on copies of requests, compared with those that the callers got to the same requests."""

    copies: int = Field(0, ge=0, description="Predictions on copies.")
    pairs: int = Field(0, ge=0, description="Of them, those whose counterpart is known.")
    difference_sum: float = Field(0.0, description="Candidate's score less the caller's, over pairs.")
    distance_sum: float = Field(0.0, ge=0, description="The same without sign.")
    largest_distance: float = Field(0.0, ge=0, le=1)
    changed: int = Field(0, ge=0, description="Pairs on different sides of a score of 0.5.")

    def sentence(self) -> str:
        """The comparison in words; empty without pairs."""
        if not self.pairs:
            return ""
        mean, distance = self.difference_sum / self.pairs, self.distance_sum / self.pairs
        where = "higher" if mean >= 0 else "lower"
        return (
            f"On {self.pairs} copies its scores were {abs(mean):.3f} {where} on average than those that callers got "
            f"({distance:.3f} apart on average, {self.largest_distance:.3f} at most), "
            f"{self.changed / self.pairs:.1%} of them on the other side of {BOUNDARY}."
        )


def compare(copies: int, pairs: Iterable[tuple[float, float]]) -> ShadowComparison:
    """Compare predictions one by one.

    Args:
        copies: Predictions on copies, paired or not.
        pairs: (candidate's score, score that the caller got).
    """
    known = list(pairs)
    distances = [abs(mine - theirs) for mine, theirs in known]
    return ShadowComparison(
        copies=copies,
        pairs=len(known),
        difference_sum=sum(mine - theirs for mine, theirs in known),
        distance_sum=sum(distances),
        largest_distance=max(distances, default=0.0),
        changed=sum((mine >= BOUNDARY) != (theirs >= BOUNDARY) for mine, theirs in known),
    )
