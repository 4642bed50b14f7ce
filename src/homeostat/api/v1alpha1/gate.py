"""The gate of a ModelDeployment: its rules in the spec, its verdict in the status."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from homeostat.api.common import Decimal, SpecModel, StatusModel, Text, map_list
from homeostat.enums import Metric


class Minimum(SpecModel):
    """An absolute bound on the challenger."""

    metric: Annotated[Metric, Field(description="Metric on the holdout.")]
    value: Annotated[Decimal, Field(description="Worst allowed value; logloss and brier may not be above it.")]


class Comparison(SpecModel):
    """A bound on the difference between challenger and champion."""

    metric: Annotated[Metric, Field(description="Metric on the holdout.")]
    margin: Annotated[Decimal | None, Field(description="Margin, in units of the metric; positive.")] = None


class Gate(SpecModel):
    """What a challenger must show on the holdout before it meets traffic."""

    minimum: Annotated[
        list[Minimum], Field(description="Absolute bounds.", max_length=8, json_schema_extra=map_list("metric"))
    ] = []
    must_beat: Annotated[
        list[Comparison],
        Field(
            description="Shown to be better, by more than the margin.",
            max_length=8,
            json_schema_extra=map_list("metric"),
        ),
    ] = []
    non_inferior: Annotated[
        list[Comparison],
        Field(
            description="Shown to be no worse than by the margin.", max_length=8, json_schema_extra=map_list("metric")
        ),
    ] = []


class MetricComparison(StatusModel):
    """One metric of the gate; a positive difference is better."""

    name: Annotated[str, Field(description="Name of the metric.", max_length=63)]
    challenger: Annotated[Decimal, Field(description="Challenger on the holdout.")]
    champion: Annotated[Decimal | None, Field(description="Champion on the same rows.")] = None
    difference: Annotated[Decimal | None, Field(description="Challenger against champion.")] = None
    lower: Annotated[Decimal | None, Field(description="Lower end of the 95 % interval.")] = None
    upper: Annotated[Decimal | None, Field(description="Upper end of the 95 % interval.")] = None


class GateRecord(StatusModel):
    """The last verdict of the gate."""

    version: Annotated[str, Field(description="Challenger.", max_length=32)]
    champion: Annotated[str, Field(description="Champion's version; empty: there was none.", max_length=32)] = ""
    verdict: Annotated[str, Field(description="Promote, Hold or Reject.", max_length=16)]
    rows: Annotated[int, Field(description="Holdout rows.", ge=0)] = 0
    metrics: Annotated[
        list[MetricComparison],
        Field(description="Every metric of both models.", max_length=8, json_schema_extra=map_list("name")),
    ] = []
    messages: Annotated[list[Text], Field(description="Result of each rule in words.", max_length=24)] = []
    time: Annotated[datetime, Field(description="When it was read.")]
