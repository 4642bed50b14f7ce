"""Signals of a Monitor: what it watches, and how each stood at its last evaluated window."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from homeostat.api.common import (
    Decimal,
    Duration,
    FieldName,
    Message,
    MetricName,
    ResourceName,
    SpecModel,
    StatusModel,
    Text,
    rule,
)
from homeostat.enums import Operator, SignalState


class SignalType(StrEnum):
    """Type of a signal."""

    DATA_DRIFT = "DataDrift"
    PREDICTION_DRIFT = "PredictionDrift"
    PERFORMANCE = "Performance"
    BUSINESS = "Business"


class DriftAggregation(StrEnum):
    """Aggregation of the drift of single features."""

    MAX = "Max"


class NoDataPolicy(StrEnum):
    """Policy for missing data; it never leads to a retraining."""

    HOLD = "Hold"
    ALERT = "Alert"


class Threshold(SpecModel):
    """Threshold of a signal."""

    operator: Annotated[Operator, Field(description="Side of the value on which the signal is in breach.")]
    value: Annotated[Decimal, Field(description="Threshold value as a decimal number.")]


class FeatureSelection(SpecModel):
    """Features of the model that a drift signal judges."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                rule("has(self.include) != has(self.exclude)", "give either include or exclude"),
            ]
        }
    )

    include: Annotated[
        list[FieldName] | None, Field(description="Features to judge; no others are.", min_length=1, max_length=256)
    ] = None
    exclude: Annotated[
        list[FieldName] | None,
        Field(
            description="Features not to judge, such as calendar columns, which drift with every season.",
            min_length=1,
            max_length=256,
        ),
    ] = None


class Signal(SpecModel):
    """A monitored quantity."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                rule(
                    "(self.type == 'Performance') == has(self.metric)",
                    "metric is required with type Performance and not allowed otherwise",
                ),
                rule(
                    "(self.type == 'Business') == has(self.query)",
                    "query is required with type Business and not allowed otherwise",
                ),
                rule(
                    "self.type == 'DataDrift' || !has(self.aggregation)",
                    "aggregation is allowed only with type DataDrift",
                ),
                rule("self.type == 'DataDrift' || !has(self.features)", "features is allowed only with type DataDrift"),
                rule(
                    "!(self.type in ['DataDrift', 'PredictionDrift']) || self.threshold.operator == 'GreaterThan'",
                    "drift breaches above its threshold: use operator GreaterThan",
                ),
            ]
        }
    )

    name: Annotated[ResourceName, Field(description="Name of the signal.")]
    type: Annotated[SignalType, Field(description="Type of the signal.")]
    aggregation: Annotated[
        DriftAggregation | None,
        Field(description="How the drift of single features is aggregated, with type DataDrift; absent: Max."),
    ] = None
    features: Annotated[
        FeatureSelection | None,
        Field(description="Features that the signal judges, with type DataDrift; absent: all of the model."),
    ] = None
    metric: Annotated[
        MetricName | None,
        Field(description="Metric of the model's task, computed from outcomes; required with type Performance."),
    ] = None
    query: Annotated[
        str | None,
        Field(
            description="PromQL query that returns one number; required with type Business.",
            min_length=1,
            max_length=4096,
        ),
    ] = None
    threshold: Annotated[Threshold, Field(description="Threshold of the signal.")]
    window: Annotated[Duration, Field(description="Width of the evaluation windows; they do not overlap.")]
    consecutive: Annotated[
        int,
        Field(
            description="Number of consecutive windows that confirm a breach, and of those that end it.",
            ge=1,
            le=24,
        ),
    ] = 2
    min_samples: Annotated[int, Field(description="Minimum (effective) sample size of a window.", ge=1)] = 200
    no_data: Annotated[NoDataPolicy, Field(description="Policy for missing data.")] = NoDataPolicy.HOLD


class UnjudgedFeature(StatusModel):
    """A feature whose drift could not be judged."""

    feature: Annotated[str, Field(description="Name of the feature.", max_length=256)]
    reason: Annotated[str, Field(description="Why its drift cannot be judged.", max_length=256)]
    effective_samples: Annotated[int, Field(description="Effective sample size of its values in the window.", ge=0)] = 0


class SignalStatus(StatusModel):
    """A signal at its last evaluated window."""

    name: Annotated[str, Field(description="Name of the signal.", max_length=63)]
    state: SignalState
    feature: Annotated[
        str, Field(description="Feature that value, lower and upper describe, with type DataDrift.", max_length=256)
    ] = ""
    value: Annotated[Decimal | None, Field(description="Estimated value over the window.")] = None
    lower: Annotated[Decimal | None, Field(description="Lower bound of the 95 % confidence interval.")] = None
    upper: Annotated[Decimal | None, Field(description="Upper bound of the 95 % confidence interval.")] = None
    samples: Annotated[int, Field(description="(Effective) sample size of the window.", ge=0)] = 0
    since: Annotated[datetime | None, Field(description="Time at which the state began.")] = None
    judged_through: Annotated[datetime | None, Field(description="End of the last evaluated window.")] = None
    consecutive_breaches: Annotated[
        int, Field(description="Number of breached windows of a breach that has not ended.", ge=0)
    ] = 0
    first_breach: Annotated[datetime | None, Field(description="Start of the first of these windows.")] = None
    windows_within_bounds: Annotated[
        int,
        Field(
            description="Number of consecutive windows within bounds since the last breached one; `consecutive` of them end a "
            "confirmed breach.",
            ge=0,
        ),
    ] = 0
    version: Annotated[str, Field(description="Version whose predictions are evaluated.", max_length=32)] = ""
    drifted_features: Annotated[
        list[Text], Field(description="Features whose distribution drifted.", max_length=256)
    ] = []
    features_with_nulls: Annotated[
        list[Text], Field(description="Features with a higher share of nulls than in training.", max_length=256)
    ] = []
    unjudged_features: Annotated[
        list[UnjudgedFeature],
        Field(description="Features whose drift cannot be judged; the first 32 of them.", max_length=32),
    ] = []
    coverage: Annotated[Decimal | None, Field(description="Share of due outcomes that have arrived.")] = None
    baseline_coverage: Annotated[Decimal | None, Field(description="Usual coverage, from windows before it fell.")] = (
        None
    )
    unit_change: Annotated[
        str,
        Field(
            description="Factor or offset that explains the drift of the only drifted feature; empty if none does.",
            max_length=320,
        ),
    ] = ""
    traffic_stopped: Annotated[
        bool, Field(description="Whether no request arrived in the last window although some arrived before.")
    ] = False
    message: Annotated[Message, Field(description="Human-readable explanation.")] = ""
