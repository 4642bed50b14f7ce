"""The gate of a ModelDeployment: its rules in the spec, its verdict in the status."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from homeostat.api.common import Decimal, Message, MetricName, SpecModel, StatusModel, map_list


class Minimum(SpecModel):
    """An absolute bound that the challenger must meet."""

    metric: Annotated[MetricName, Field(description="Metric of the model's task on the holdout.")]
    value: Annotated[
        Decimal,
        Field(
            description="Minimum value of the metric; for one that is better when smaller, such as logloss or rmse, the maximum; "
            "for bias, the largest distance from 0."
        ),
    ]


class Comparison(SpecModel):
    """A bound on the difference between challenger and champion."""

    metric: Annotated[MetricName, Field(description="Metric of the model's task on the holdout.")]
    margin: Annotated[Decimal | None, Field(description="Margin in units of the metric; a positive number.")] = None


class Gate(SpecModel):
    """Rules that a challenger must pass on the holdout before it receives traffic."""

    minimum: Annotated[
        list[Minimum],
        Field(
            description="Absolute bounds on metrics of the challenger.",
            max_length=8,
            json_schema_extra=map_list("metric"),
        ),
    ] = []
    must_beat: Annotated[
        list[Comparison],
        Field(
            description="Metrics in which the challenger must be significantly better, by more than the margin.",
            max_length=8,
            json_schema_extra=map_list("metric"),
        ),
    ] = []
    non_inferior: Annotated[
        list[Comparison],
        Field(
            description="Metrics in which the challenger must be non-inferior within the margin.",
            max_length=8,
            json_schema_extra=map_list("metric"),
        ),
    ] = []


class MetricComparison(StatusModel):
    """One metric of the gate; a positive difference is better."""

    name: Annotated[str, Field(description="Name of the metric.", max_length=63)]
    challenger: Annotated[Decimal, Field(description="Value of the challenger on the holdout.")]
    champion: Annotated[Decimal | None, Field(description="Value of the champion on the same rows.")] = None
    constant: Annotated[
        Decimal | None, Field(description="Value of the constant prediction that is best on the same rows.")
    ] = None
    difference: Annotated[Decimal | None, Field(description="Improvement of the challenger over the champion.")] = None
    lower: Annotated[Decimal | None, Field(description="Lower bound of the 95 % confidence interval.")] = None
    upper: Annotated[Decimal | None, Field(description="Upper bound of the 95 % confidence interval.")] = None


class GateRecord(StatusModel):
    """Latest verdict of the gate."""

    version: Annotated[str, Field(description="Version of the challenger.", max_length=32)]
    champion: Annotated[str, Field(description="Version of the champion; empty if there is none.", max_length=32)] = ""
    verdict: Annotated[str, Field(description="Verdict: Promote, Hold or Reject.", max_length=16)]
    rows: Annotated[int, Field(description="Number of holdout rows.", ge=0)] = 0
    metrics: Annotated[
        list[MetricComparison],
        Field(description="Metrics of both models.", max_length=32, json_schema_extra=map_list("name")),
    ] = []
    messages: Annotated[list[Message], Field(description="Result of each rule in words.", max_length=24)] = []
    time: Annotated[datetime, Field(description="Time at which the verdict was recorded.")]
