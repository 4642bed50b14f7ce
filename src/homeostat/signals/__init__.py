"""The arithmetic of the loop: pure functions from counts to estimates, causes and verdicts.

No I/O and no clock, so that training, serving, monitoring, gate and replay cannot disagree. docs/signals.md has the
formulas with their sources and the measured error rates.
"""

from homeostat.enums import Operator, SignalState
from homeostat.intervals import Estimate, difference_lower, wilson
from homeostat.signals.binning import fit
from homeostat.signals.causes import Cause, Diagnosis, Evidence, diagnose, note_of_unjudged
from homeostat.signals.comparison import PairedComparison, compare
from homeostat.signals.drift import (
    DriftEstimate,
    FeatureDrift,
    Unjudged,
    counter_increase,
    feature_drift,
    judge,
    sub_window_counts,
)
from homeostat.signals.estimate import Threshold, combined, judge_value
from homeostat.signals.gate import (
    GateReport,
    GateRule,
    RuleKind,
    RuleOutcome,
    RuleResult,
    Verdict,
    decide,
    judge_gate,
)
from homeostat.signals.histogram import Baseline, FeatureBaseline, FeatureKind, assign, bin_labels
from homeostat.signals.performance import (
    PerformanceEstimate,
    coverage,
    coverage_fell,
    judge_performance,
)
from homeostat.signals.units import Moments, UnitChange, unit_change
from homeostat.signals.windows import Streak, Window, advance, due_windows, next_window, resume

__all__ = [
    "Baseline",
    "Cause",
    "Diagnosis",
    "DriftEstimate",
    "Estimate",
    "Evidence",
    "FeatureBaseline",
    "FeatureDrift",
    "FeatureKind",
    "GateReport",
    "GateRule",
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
    "compare",
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
    "next_window",
    "note_of_unjudged",
    "resume",
    "sub_window_counts",
    "unit_change",
    "wilson",
]
