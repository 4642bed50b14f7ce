"""What drift of a feature cannot be seen, whatever arrives: known at training, from the baseline alone."""

from homeostat.signals.distributions import chi_square_quantile
from homeostat.signals.drift import ALPHA, TOLERANCE
from homeostat.signals.histogram import FeatureBaseline

LARGE = 0.25
"""Excess PSI that counts as a large drift; a feature of which no smaller one can be detected is as good as not judged."""


def blindness(feature: FeatureBaseline, number: int) -> str:
    """Why the drift of a feature is not or not fully judged; empty if it is.

    Args:
        feature: The feature as the model was trained on it.
        number: Features that are judged together.
    """
    rows = sum(feature.counts)
    if not rows:
        return "it has no values in training"
    if feature.unseen_share is not None and feature.unseen_share > 1 - TOLERANCE:
        # A share so high cannot rise by the tolerance, and hardly any row is left for the regular bins.
        return f"{feature.unseen_share:.0%} of new rows are expected to have a value that is new"
    if len(feature.counts) == 1:
        return "it has one value in training: only the share of other values is judged"
    least = least_detectable(feature, number)
    if least > LARGE:
        return f"{rows} values in training tell no drift below an excess PSI of {least:.2f} from chance"
    return ""


def least_detectable(feature: FeatureBaseline, number: int) -> float:
    """Excess PSI of the smallest drift that is significant in a window of unlimited size.

    Without drift PSI has the mean (B-1)/N there and is chi-squared in shape (see `drift`).
    """
    freedom, rows = len(feature.counts) - 1, sum(feature.counts)
    return (chi_square_quantile(freedom, ALPHA / number) - freedom) / rows
