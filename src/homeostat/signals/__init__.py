"""The arithmetic of the loop: pure functions from counts to estimates, causes and verdicts.

No I/O and no clock, so that training, serving, monitoring, gate and replay cannot disagree. docs/signals.md has the
formulas with their sources and the measured error rates.
"""

from homeostat.enums import Metric, Operator, SignalState
from homeostat.signals.binning import fit
from homeostat.signals.causes import Cause, Diagnosis, Evidence, diagnose, note_of_unjudged
from homeostat.signals.drift import (
    DriftEstimate,
    FeatureDrift,
    Unjudged,
    counter_increase,
    feature_drift,
    judge,
    sub_window_counts,
)
from homeostat.signals.estimate import Estimate, Threshold, combined, difference_lower, judge_value, wilson
from homeostat.signals.gate import (
    GateReport,
    GateRule,
    PairedComparison,
    RuleKind,
    RuleOutcome,
    RuleResult,
    Verdict,
    decide,
    judge_gate,
    paired_bootstrap,
)
from homeostat.signals.histogram import Baseline, FeatureBaseline, FeatureKind, assign, bin_labels
from homeostat.signals.performance import (
    CohortCounts,
    PerformanceEstimate,
    count_cohort,
    coverage,
    coverage_fell,
    judge_performance,
    merge,
)
from homeostat.signals.units import Moments, UnitChange, unit_change
from homeostat.signals.windows import Streak, Window, advance, due_windows, next_window, resume

__all__ = [
    "Baseline",
    "Cause",
    "CohortCounts",
    "Diagnosis",
    "DriftEstimate",
    "Estimate",
    "Evidence",
    "FeatureBaseline",
    "FeatureDrift",
    "FeatureKind",
    "GateReport",
    "GateRule",
    "Metric",
    "Moments",
    "Operator",
    "PairedComparison",
    "PerformanceEstimate",
    "RuleKind",
    "RuleOutcome",
    "RuleResult",
    "SignalState",
    "Streak",
    "Threshold",
    "UnitChange",
    "Unjudged",
    "Verdict",
    "Window",
    "advance",
    "assign",
    "bin_labels",
    "combined",
    "count_cohort",
    "counter_increase",
    "coverage",
    "coverage_fell",
    "decide",
    "diagnose",
    "difference_lower",
    "due_windows",
    "feature_drift",
    "fit",
    "judge",
    "judge_gate",
    "judge_performance",
    "judge_value",
    "merge",
    "next_window",
    "note_of_unjudged",
    "paired_bootstrap",
    "resume",
    "sub_window_counts",
    "unit_change",
    "wilson",
]
