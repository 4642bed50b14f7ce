"""Skill: how much of the loss of a constant prediction a model saves, on the same rows.

1 is a model without loss, 0 one that is worth no more than a constant, and below 0 one that is worth less. The constant is the best
one on the rows that are judged: the share of each class, or the mean of the labels. It knows them in hindsight, so that a model is
never flattered by a base rate that has moved since its training.
"""

import math

import numpy as np

from homeostat.intervals import Estimate, Floats, normal
from homeostat.tasks.protocol import Labels, Measured

NAME = "skill"


def measured(losses: Floats, constant: Floats) -> Measured | None:
    """Skill from the loss of each row under a model and under the constant; None where the constant has no loss.

    The influence is the derivative of the ratio (delta method); that the constant follows the labels is in `constant`.
    """
    base = float(constant.mean())
    if base <= 0:
        return None
    ratio = float(losses.mean()) / base
    return Measured(1 - ratio, (ratio * constant - losses) / base)


def class_losses(labels: Labels) -> Floats:
    """Log loss of each row, in nats, where each class is predicted by its share of these rows."""
    codes = labels.astype(np.intp) + 1  # -1 is a class that training never saw
    return np.asarray(-np.log(np.maximum(np.bincount(codes), 1) / labels.size)[codes], dtype=np.float64)


def of_classes(rows: Floats, losses: Floats, squares: float) -> Estimate | None:
    """Skill from sums over n ≥ 2 rows, as `measured` and `class_losses` have it of the rows.

    Args:
        rows: Rows of each class.
        losses: Sum of the log losses of each class.
        squares: Sum of their squares over all classes.
    """
    occurs = rows > 0
    rows, losses = rows[occurs], losses[occurs]
    n = float(rows.sum())
    constant = -np.log(rows / n)
    base = float(rows @ constant) / n
    if base <= 0:
        return None
    ratio = float(losses.sum()) / n / base
    spread = (ratio**2 * float(rows @ constant**2) - 2 * ratio * float(losses @ constant) + squares) / n / base**2
    return normal(1 - ratio, math.sqrt(max(0.0, spread) / (n - 1)), n, least=-math.inf, most=1.0)
