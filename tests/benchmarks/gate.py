"""CPU seconds of the gate, beside those of SciPy's paired bootstrap of one of its metrics, interleaved in one run.

Run by `make bench`. The gate compares two models in every metric of a binary classifier, each row of an entity of its own; the
peer, `scipy.stats.bootstrap` with 2,000 resamples, compares them in the log loss alone. Prints CPU seconds and, where the peer
runs, their ratio with a 95 % interval over the rounds; a million rows are the gate's alone.
"""

import math
import os
import statistics
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from homeostat.signals.gate import judge_gate
from homeostat.tasks import UNNAMED
from homeostat.tasks.binary import log_losses

ROUNDS = int(os.environ.get("ROUNDS", "5"))
PEER_ROWS = (1_100, 20_000)
ROWS = (*PEER_ROWS, 100_000, 1_000_000)

Floats = NDArray[np.float64]


def a_holdout(rows: int) -> tuple[NDArray[np.bool_], Floats, Floats, list[str]]:
    """Outcomes, scores of two models, and entities."""
    rng = np.random.default_rng(1)
    risk = rng.beta(1.5, 2, rows)
    return (
        rng.random(rows) < risk,
        risk,
        np.clip(risk + rng.normal(0, 0.1, rows), 0.01, 0.99),
        [f"customer-{n}" for n in range(rows)],
    )


def bootstrapped(labels: NDArray[np.bool_], new: Floats, old: Floats) -> None:
    """What the peer does."""
    gains = log_losses(labels, old) - log_losses(labels, new)
    stats.bootstrap((gains,), np.mean, n_resamples=2000, batch=max(1, 4_000_000 // gains.size), method="percentile")


def seconds(work: Callable[[], object]) -> float:
    """CPU seconds of a call."""
    before = time.process_time()
    work()
    return time.process_time() - before


def main() -> None:
    """Measure in turns and print."""
    for rows in ROWS:
        labels, new, old, entities = a_holdout(rows)
        ours, peers = [], []
        for _ in range(ROUNDS):
            ours.append(seconds(lambda: judge_gate([], UNNAMED, labels, new, old, entities)))  # noqa: B023 - called at once
            if rows in PEER_ROWS:
                peers.append(seconds(lambda: bootstrapped(labels, new, old)))  # noqa: B023 - called at once
        line = f"{rows:>9,} rows: gate {statistics.median(ours):.4f} s"
        if peers:
            ratios = [math.log(peer / own) for peer, own in zip(peers, ours, strict=True)]
            half = float(stats.t.ppf(0.975, ROUNDS - 1)) * statistics.stdev(ratios) / math.sqrt(ROUNDS)
            low, mid, high = (math.exp(statistics.mean(ratios) + side * half) for side in (-1, 0, 1))
            line += f", scipy {statistics.median(peers):.4f} s, {mid:.0f} times as much ({low:.0f} to {high:.0f})"
        print(line)  # noqa: T201 - a benchmark prints


if __name__ == "__main__":
    main()
