"""Drift of inputs with its sampling noise removed.

A population stability index of a small window is mostly noise, and traffic that comes in batches makes a large window as
noisy as a small one. So the index is reported as *excess* over what noise alone would give, with a p-value and an
effective sample size. docs/signals.md has the formulas, their sources and the measured error rates.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from homeostat.enums import SignalState
from homeostat.intervals import Floats, Z, difference_lower
from homeostat.signals.clustering import Clustering, clustering
from homeostat.signals.distributions import chi_square_survival, f_survival, normal_quantile, t_quantile
from homeostat.signals.histogram import ABOVE, BELOW, NULL, SPECIAL_LABELS, UNSEEN, FeatureBaseline, bin_labels
from homeostat.signals.windows import split

ALPHA = 0.05
"""Chance of a false breach of any feature in one window, shared among the features (Bonferroni)."""

TOLERANCE = 0.05
"""Rise of a special share (null, below, above, unseen) that is of no concern, whatever its significance."""

NAMED_SHARES = 5
"""Raised special shares that a sentence names at most."""

Sample = tuple[float, float]
"""(Unix time, value) of a counter."""


def counter_increase(samples: Sequence[Sample], start: float, end: float) -> float:
    """Raw increase of one counter series after `start`, up to and including `end`.

    The raw difference adds up over adjoining windows, which extrapolation (PromQL's `increase`) does not.
    Give a sample from before `start` where there is one: a series whose first sample lies inside the window was born
    there and counts from 0. A value below its predecessor is a restart, which also counts from 0.
    """
    usable = sorted((t, v) for t, v in samples if t <= end and math.isfinite(v))
    total, last = 0.0, 0.0
    for time, value in usable:
        if time > start:
            total += value - last if value >= last else value
        last = value
    return total


def sub_window_counts(
    series: Iterable[tuple[str, Sequence[Sample]]], start: float, end: float, parts: int | None = None
) -> list[dict[str, float]]:
    """Counts per bin label in each sub-window, summed over pods.

    Args:
        series: (bin label, samples) of every series of one feature, as many per label as there were pods.
        start: Unix time at which the window opens, itself excluded.
        end: Unix time at which it closes, itself included.
        parts: Number of sub-windows; None: as `windows.parts_of` says.
    """
    spans = split(start, end, parts)
    counts: list[dict[str, float]] = [{} for _ in spans]
    for label, samples in series:
        for part, (opened, closed) in zip(counts, spans, strict=True):
            part[label] = part.get(label, 0.0) + counter_increase(samples, opened, closed)
    return counts


WHOLE_DAYS = "; its parts are different times of day: give it a window of whole days, at least four (96h)"
"""Remedy where the parts of a window cannot tell what follows the time of day from batches."""


@dataclass(frozen=True)
class SpecialShare:
    """Share of a window's rows outside the regular bins, beside the baseline's."""

    label: str
    share: float
    baseline: float
    effective_samples: float
    baseline_samples: int
    groups: float

    def rise(self, alpha: float) -> float:
        """Lower bound of the rise over the baseline's share, one-sided at level `alpha`.

        As `difference_lower`, with Student's quantile where clustering was estimated.
        """
        z = t_quantile(self.groups, 1 - alpha) if self.groups > 0 else normal_quantile(1 - alpha)
        now = self.share * self.effective_samples, self.effective_samples
        then = self.baseline * self.baseline_samples, self.baseline_samples
        return difference_lower(now, then, z)


@dataclass(frozen=True)
class FeatureDrift:
    """Drift of one feature in one window."""

    feature: str
    psi: float
    excess: float
    """Index less what sampling noise alone would give; thresholds compare with it."""
    lower: float
    upper: float
    p_value: float
    design_effect: float
    samples: float
    """Rows of the window, special ones included."""
    effective_samples: float
    specials: tuple[SpecialShare, ...]
    trained_share: float = 1.0
    """Share of the training rows in regular bins."""
    regular_samples: float = math.inf
    """Effective sample of the window's rows in regular bins."""
    mixed_times: bool = False
    """Whether the parts of the window cover different times of the day (`mixes_times_of_day`)."""

    def remedy(self, min_samples: int) -> str:
        """What makes more of the rows of a window that has enough of them; empty if nothing does."""
        return WHOLE_DAYS if self.mixed_times and self.samples >= min_samples else ""

    def obstacle(self, min_samples: int) -> str:
        """Why the distribution over the regular bins cannot be judged; empty if it can."""
        if self.trained_share == 0:
            return "it has no values in training"
        if self.effective_samples < min_samples:
            clustered = f" of {self.samples:.0f} rows that arrive in batches" if self.design_effect > 1 else ""
            reason = (
                f"its effective sample is {self.effective_samples:.0f}{clustered}, below minSamples of {min_samples}"
            )
            return reason + self.remedy(min_samples)
        if self.regular_samples < min_samples * self.trained_share:
            return (
                f"the effective sample of values that training has seen is {self.regular_samples:.0f}, below minSamples of "
                f"{min_samples}"
            )
        return ""


def feature_drift(
    baseline: FeatureBaseline, sub_windows: Sequence[Mapping[str, float]], *, mixed_times: bool = False
) -> FeatureDrift:
    """Drift of one feature between training and a window.

    Args:
        baseline: The feature as the stable version was trained on it.
        sub_windows: Counts by bin label in each part of the window; absent labels are 0.
        mixed_times: Whether the parts of the window cover different times of the day.

    Raises:
        ValueError: A label that the baseline does not have.
    """
    labels = bin_labels(baseline)
    unknown = sorted({label for part in sub_windows for label in part} - set(labels))
    if unknown:
        raise ValueError(
            f"bin {unknown[0]!r} is not in the baseline of feature {baseline.name!r}: another model's counts"
        )
    counts = np.array([[part.get(label, 0.0) for label in labels] for part in sub_windows], dtype=np.float64)
    counts = counts.reshape(len(sub_windows), len(labels))
    regular = counts[:, : len(baseline.counts)]
    cluster = clustering(regular)
    psi, excess, half, p_value = _index(np.array(baseline.counts, dtype=np.float64), regular.sum(axis=0), cluster)
    samples = float(counts.sum())
    return FeatureDrift(
        feature=baseline.name,
        psi=psi,
        excess=excess,
        lower=excess - half,
        upper=excess + half,
        p_value=p_value,
        design_effect=cluster.effect,
        samples=samples,
        effective_samples=samples / cluster.effect,
        specials=_specials(baseline, counts),
        trained_share=sum(baseline.counts) / baseline.n if baseline.n else 0.0,
        regular_samples=float(regular.sum()) / cluster.effect,
        mixed_times=mixed_times,
    )


def _index(baseline: Floats, window: Floats, cluster: Clustering) -> tuple[float, float, float, float]:
    """PSI, excess, half width of its interval, p-value.

    Under no drift PSI has mean (B-1)(1/N + d/M) and is chi-squared in shape (B. Yurdakul, J. Naranjo, *Statistical
    properties of the population stability index*, Journal of Risk Model Validation 14(4), 2020). With d estimated
    from few sub-windows the reference is F (D. R. Thomas, J. N. K. Rao, *Small-sample comparisons of level and power
    for simple goodness-of-fit statistics under cluster sampling*, JASA 82, 1987) with Satterthwaite's freedom.
    """
    bins, before, after = baseline.size, float(baseline.sum()), float(window.sum())
    if bins < 2 or before <= 0 or after <= 0:
        return 0.0, 0.0, 0.0, 1.0
    expected = (baseline + 0.5) / (before + 0.5 * bins)
    observed = (window + 0.5) / (after + 0.5 * bins)
    psi = float(np.sum((observed - expected) * np.log(observed / expected)))
    noise = 1 / before + cluster.effect / after
    freedom = bins - 1
    excess = psi - freedom * noise
    ratio, rank = psi / (freedom * noise), cluster.rank
    if cluster.groups > 0:
        p_value = f_survival(rank, cluster.groups * rank, ratio)
    else:
        p_value = chi_square_survival(freedom, ratio * freedom)
    # Standard error of a noncentral chi-squared with `rank` degrees of freedom, scaled; its noncentrality is the excess.
    half = Z * freedom * noise / rank * math.sqrt(2 * (rank + 2 * max(excess, 0.0) * rank / (freedom * noise)))
    return psi, excess, half, p_value


def _specials(baseline: FeatureBaseline, counts: Floats) -> tuple[SpecialShare, ...]:
    """Special shares of counts (sub-windows by labels, the special ones last), each with a design effect of its own."""
    rows, total = counts.sum(axis=1), float(counts.sum())
    expected = {
        label: count / baseline.n if baseline.n else 0.0 for label, count in baseline.special.by_label().items()
    }
    if baseline.unseen_share is not None:
        expected[UNSEEN] = baseline.unseen_share
    shares = []
    for offset, label in enumerate(SPECIAL_LABELS, start=len(baseline.counts)):
        column = counts[:, offset]
        cluster = clustering(np.column_stack([column, rows - column]))
        shares.append(
            SpecialShare(
                label=label,
                share=float(column.sum()) / total if total else 0.0,
                baseline=expected[label],
                effective_samples=total / cluster.effect,
                baseline_samples=baseline.n,
                groups=cluster.groups,
            )
        )
    return tuple(shares)


@dataclass(frozen=True)
class Unjudged:
    """A feature whose drift cannot be judged in a window."""

    feature: str
    reason: str
    effective_samples: float


@dataclass(frozen=True)
class DriftEstimate:
    """What a window says about the inputs as a whole."""

    state: SignalState
    feature: str
    """The feature that the figures are of, the one that drifted most; empty without data."""
    value: float | None
    """Its excess; None without data, or where none of its values is in a regular bin."""
    lower: float | None
    upper: float | None
    samples: float
    """Effective sample size behind `value`."""
    moved: tuple[str, ...]
    """Features whose distribution over the regular bins moved, worst first."""
    null: tuple[str, ...]
    """Features with more missing values than in training."""
    unseen: tuple[str, ...]
    """Features with values of a kind that training has not seen: new categories, or numbers beyond its range."""
    unjudged: tuple[Unjudged, ...]
    """Features that cannot or hardly be judged, by regular bins or special shares, and do not breach."""
    sentence: str


def judge(
    features: Sequence[FeatureDrift],
    threshold: float,
    min_samples: int,
    *,
    alpha: float = ALPHA,
    tolerance: float = TOLERANCE,
    blind: Mapping[str, str] | None = None,
    noun: str = "feature",
) -> DriftEstimate:
    """The state of the inputs, or of the output, in one window.

    A feature breaches by effect *and* significance: its excess is above the threshold and its p-value below alpha over
    the number of features; or a special share rose by more than `tolerance` at its lower bound. A feature that cannot be
    judged is listed with its reason, and the others decide; with no feature that can be judged the state is NoData.

    Args:
        features: The features of the window.
        threshold: Excess above which the regular bins of a feature moved.
        min_samples: Least effective sample.
        alpha: Level of all tests of the window together.
        tolerance: Rise of a special share that is no breach.
        blind: Why the training of a feature leaves hardly any drift to be seen, by feature (`blindness`). Such a feature
            breaches like any other, and is listed with this reason where it does not.
        noun: What the sentence calls one of `features`.
    """
    number = max(1, len(features))
    raised = _raised(features, min_samples, alpha / (number * len(SPECIAL_LABELS)), tolerance)
    by_excess = sorted((f for f in features if not f.obstacle(min_samples)), key=lambda f: f.excess, reverse=True)
    moved = tuple(f.feature for f in by_excess if f.excess > threshold and f.p_value < alpha / number)
    breaching = {*moved, *(feature for feature, _ in raised)}
    reasons = {f.feature: f.obstacle(min_samples) or (blind or {}).get(f.feature, "") for f in features}
    unjudged = tuple(
        Unjudged(f.feature, reasons[f.feature], min(f.effective_samples, f.regular_samples))
        for f in features
        if reasons[f.feature] and f.feature not in breaching
    )
    # The figures of a feature that is not judged are shown only where it is what breaches.
    by_excess = [f for f in by_excess if f.feature in breaching or not reasons[f.feature]]
    if not by_excess and not raised:
        return _without_data(features, unjudged, min_samples, noun)
    null = tuple(feature for feature, label in raised if label == NULL)
    unseen = tuple(dict.fromkeys(feature for feature, label in raised if label in {BELOW, ABOVE, UNSEEN}))
    worst = by_excess[0] if moved or not raised else next(f for f in features if f.feature == next(iter(raised))[0])
    figures = (worst.excess, worst.lower, worst.upper) if worst.regular_samples else (None, None, None)
    return DriftEstimate(
        state=SignalState.BREACHED if moved or raised else SignalState.WITHIN_BOUNDS,
        feature=worst.feature,
        value=figures[0],
        lower=figures[1],
        upper=figures[2],
        samples=worst.effective_samples,
        moved=moved,
        null=null,
        unseen=unseen,
        unjudged=unjudged,
        sentence=_sentence(worst, moved, tuple(raised.items()), threshold, noun)
        + _of_unjudged(unjudged, len(features), noun),
    )


def _raised(
    features: Sequence[FeatureDrift], min_samples: int, alpha: float, tolerance: float
) -> dict[tuple[str, str], SpecialShare]:
    """Special shares that rose by more than `tolerance` at their lower bound, by feature and label, the highest rise first."""
    found = {
        (f.feature, s.label): s
        for f in features
        for s in f.specials
        if s.effective_samples >= min_samples and s.rise(alpha) > tolerance
    }
    return dict(sorted(found.items(), key=lambda item: item[1].share - item[1].baseline, reverse=True))


_DESCRIPTIONS = {
    NULL: "missing",
    BELOW: "below training's range",
    ABOVE: "above training's range",
    UNSEEN: "unseen in training",
}


def _sentence(
    worst: FeatureDrift,
    moved: tuple[str, ...],
    raised: tuple[tuple[tuple[str, str], SpecialShare], ...],
    threshold: float,
    noun: str,
) -> str:
    parts = [
        f"{feature}: {share.share:.1%} of values are {_DESCRIPTIONS[label]}, in training {share.baseline:.1%}"
        for (feature, label), share in raised[:NAMED_SHARES]
    ]
    if len(raised) > NAMED_SHARES:
        parts.append(f"{len(raised) - NAMED_SHARES} more shares rose")
    figures = f"{worst.feature} has an excess PSI of {worst.excess:.3f} (95 % {worst.lower:.3f} to {worst.upper:.3f})"
    if moved:
        others = f", and {len(moved) - 1} more drifted" if len(moved) > 1 else ""
        parts.insert(0, f"{figures}, above {threshold:g}{others}")
    elif raised and worst.regular_samples:
        parts.append(f"among its other values {figures}")
    elif not raised:
        parts.append(f"no {noun} drifted: {figures} against {threshold:g}, p = {worst.p_value:.2g}")
    return "; ".join(parts) + "."


def _of_unjudged(unjudged: tuple[Unjudged, ...], number: int, noun: str) -> str:
    """A sentence on those that are not judged; empty if there is none."""
    if not unjudged:
        return ""
    first = unjudged[0]
    return f" {len(unjudged)} of {number} {noun}s cannot be judged: {first.feature}, because {first.reason}" + (
        f", and {len(unjudged) - 1} more." if len(unjudged) > 1 else "."
    )


def _without_data(
    features: Sequence[FeatureDrift], unjudged: tuple[Unjudged, ...], min_samples: int, noun: str
) -> DriftEstimate:
    best = max(features, key=lambda f: f.effective_samples, default=None)
    samples = best.effective_samples if best else 0.0
    why = f" ({best.samples:.0f} rows, design effect {best.design_effect:.1f})" if best else ""
    remedy = best.remedy(min_samples) if best else ""
    sentence = f"The effective sample is {samples:.0f}{why}, below minSamples of {min_samples}{remedy}."
    if best and best.effective_samples >= min_samples:
        sentence = _of_unjudged(unjudged, len(features), noun).strip()
    return DriftEstimate(SignalState.NO_DATA, "", None, None, None, samples, (), (), (), unjudged, sentence)
