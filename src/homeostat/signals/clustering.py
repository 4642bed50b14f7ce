"""How far the rows of a window are from being independent draws, judged by how the parts of the window differ.

Parts may differ because traffic comes in batches, which makes a window less certain, or because the traffic changed once
within the window, which is what a window is judged for. docs/signals.md has the formulas and the measured error rates.
"""

from dataclasses import dataclass

import numpy as np

from homeostat.intervals import Floats
from homeostat.signals.distributions import f_survival

CHANGE_ALPHA = 0.001
"""Chance that batches are taken for a change within the window, shared among the places at which it may lie."""

FEWEST_PARTS = 6
"""Parts with rows that a change within the window needs, and two of them on each side of it."""


@dataclass(frozen=True)
class Clustering:
    """How far rows of one window are from being independent draws."""

    effect: float
    """Design effect d >= 1: variance of the window's shares over that of independent rows."""
    rank: float
    """Directions in which the variance lies: bins - 1 for independent rows, fewer when whole segments come and go."""
    groups: float
    """Degrees of freedom behind the estimate: sub-windows - 1 when they are equally full; 0 when nothing is known."""
    change: int = 0
    """Number of parts with rows before a change within the window; 0: none is shown."""


def clustering(counts: Floats) -> Clustering:
    """Design effect of counts (sub-windows by bins).

    The spread of the sub-windows' shares around the pooled ones, weighted by their rows, over that of a multinomial:
    the linearised cluster variance of survey sampling (J. N. K. Rao, A. J. Scott, *On chi-squared tests for multiway
    contingency tables with cell proportions estimated from survey data*, Annals of Statistics 12(1), 1984). With equally
    full sub-windows it is Pearson's chi-squared over its degrees of freedom. After a change within the window it is the
    spread around the shares before and after the change.
    """
    counts = counts[counts.sum(axis=1) > 0][:, counts.sum(axis=0) > 0]
    freedom = counts.shape[1] - 1
    if counts.shape[0] < 2 or freedom < 1:
        return Clustering(effect=1.0, rank=float(max(freedom, 1)), groups=0.0)
    whole = _around(counts, 0)
    # A change explains nothing where the parts differ no more than those of independent rows.
    return _changed(counts) if whole.effect > 1 and counts.shape[0] >= FEWEST_PARTS else whole


def _around(counts: Floats, cut: int) -> Clustering:
    """Spread of the parts around the pooled shares; with a cut around those of the parts on its own side."""
    freedom, rows = counts.shape[1] - 1, counts.sum(axis=1)
    pooled = counts.sum(axis=0) / rows.sum()
    spread, scale, groups = [], 0.0, 0.0
    for side in [slice(cut), slice(cut, None)] if cut else [slice(None)]:
        own = rows[side]
        within = own / own.sum()
        spread.append((counts[side] - within[:, None] * counts[side].sum(axis=0)) / np.sqrt(pooled))
        scale += float(np.sum(own * (1 - within)))
        groups += 1 / float(np.sum(within**2)) - 1
    residuals = np.vstack(spread)
    covariance = residuals.T @ residuals / scale
    trace, squares = float(np.trace(covariance)), float(np.sum(covariance**2))
    # tr(S^2) of an estimated covariance exceeds tr(Sigma^2) by about tr(Sigma)^2 / groups.
    unbiased = (
        max((squares - trace**2 / groups) * groups**2 / ((groups - 1) * (groups + 2)), 0.0) if groups > 1 else squares
    )
    rank = min(float(freedom), max(1.0, trace**2 / unbiased)) if unbiased > 0 else float(freedom)
    return Clustering(effect=max(1.0, trace / freedom), rank=rank, groups=groups, change=cut)


def _changed(counts: Floats) -> Clustering:
    """The clustering around the most likely change, if it is one.

    The shares before and after are compared like the means of two groups: their Pearson distance over the spread within
    them, against F with Satterthwaite's freedom and Bonferroni's correction for the places of the cut.
    """
    freedom, rows = counts.shape[1] - 1, counts.sum(axis=1)
    pooled = counts.sum(axis=0) / rows.sum()
    cuts = range(2, counts.shape[0] - 1)
    best, least = _around(counts, 0), CHANGE_ALPHA / len(cuts)
    for cut in cuts:
        before, after = counts[:cut].sum(axis=0), counts[cut:].sum(axis=0)
        apart = before / before.sum() - after / after.sum()
        distance = before.sum() * after.sum() / rows.sum() * float(np.sum(apart**2 / pooled))
        within = _around(counts, cut)
        p_value = f_survival(within.rank, within.groups * within.rank, distance / (within.effect * freedom))
        if p_value < least:
            best, least = within, float(p_value)
    return best
