"""The loop with a number and with a class: drift, a retraining by the Monitor, gate, promotion, and no failed request."""

from collections.abc import Callable
from typing import Any

import numpy as np

from stories.conftest import Finished
from tools.demo.rodents import NEWCOMER
from tools.demo.story import condition, field

Object = dict[str, Any]
Predict = Callable[[Finished, str], Object]
SAMPLE = 60


def retraining(story: Finished) -> Object:
    """The one training that the Monitor asked for."""
    [job] = [job for job in story.platform.listing("trainingjobs") if job["spec"]["trigger"]["type"] == "Monitor"]
    return job


def test_the_log_names_every_turn_of_the_loop(finished: Finished, log: str) -> None:
    scenario = finished.scenario
    for turn in (f"{scenario.name}-first trained", scenario.change, "UnprovenShift", "CovariateShift",
                 f"the Monitor created TrainingJob {retraining(finished)['metadata']['name']}", "v2 promoted"):  # fmt: skip
        assert turn in log, f"{turn!r} is missing in:\n{log[-6000:]}"


def test_the_monitor_retrained_because_inputs_drifted_and_predictions_got_worse(finished: Finished) -> None:
    trigger = retraining(finished)["spec"]["trigger"]
    assert trigger["ref"]["name"] == finished.scenario.name
    assert "Inputs drifted" in trigger["message"]
    assert condition(retraining(finished), "Succeeded")["status"] == "True"


def test_the_gate_promoted_the_second_version_for_every_metric_that_it_compares(finished: Finished) -> None:
    deployment = finished.get("modeldeployment")
    gate, rules = field(deployment, "status.gate"), deployment["spec"]["promotion"]["gate"]
    assert gate["verdict"] == "Promote", gate["messages"]
    rows = {row["name"]: row for row in gate["metrics"]}
    [must_beat], [non_inferior] = rules["mustBeat"], rules["nonInferior"]
    assert float(rows[must_beat["metric"]]["lower"]) > float(must_beat["margin"])
    assert float(rows[non_inferior["metric"]]["lower"]) > -float(non_inferior["margin"])
    assert int(field(deployment, "status.stable.version")) == 2


def test_no_request_failed_and_both_versions_answered(finished: Finished) -> None:
    counts = finished.counts()
    assert counts["failed"] == 0, counts["failures"]
    assert set(counts["by_version"]) == {"1", "2"}
    assert counts["outcomes"] > 1000, counts["last_outcome_error"]


def test_every_signal_has_been_judged_on_predictions_of_the_second_version(finished: Finished) -> None:
    signals = {each["name"]: each for each in field(finished.get("monitor"), "status.signals")}
    assert list(signals) == list(finished.scenario.signals)
    for name, signal in signals.items():
        assert signal.get("judgedThrough"), (name, signal)


def test_minutes_in_the_air_are_predicted_for_flights_that_no_training_has_seen(
    flights: Finished, predict: Predict
) -> None:
    late = flights.scenario.late.sample(SAMPLE, random_state=1)
    errors = [
        abs(float(predict(flights, entity)["prediction"][0]) - minutes)
        for entity, minutes in zip(flights.scenario.entities(late), late["air_time"], strict=True)
    ]
    assert np.mean(errors) < 12, errors


def test_the_species_that_the_first_training_had_not_seen_is_recognised(rodents: Finished, predict: Predict) -> None:
    late = rodents.scenario.late
    newcomers = late[late["species_id"] == NEWCOMER].sample(SAMPLE, random_state=1)
    answers = [predict(rodents, entity) for entity in rodents.scenario.entities(newcomers)]
    right = [answer["class"][0] == NEWCOMER for answer in answers]
    assert np.mean(right) > 0.8, answers
    assert all(abs(sum(map(float, answer["probabilities"])) - 1) < 1e-3 for answer in answers)
