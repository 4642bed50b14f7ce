"""What the gate promises by each form of holdout, and what the following weeks bring: skill, on streams with and without shocks.

Usage: python tests/benchmarks/holdouts.py [streams]

A stream (tests/support/stream.py) has 40 events a day for 200 days; labels come up to two weeks late. A model is trained at the end
of day 140 and serves the 50 days that follow. Each figure is the mean over the streams; `kept` counts those whose promised and
whose live 95 % interval overlap.
"""

import importlib.util
import os
import sys

from support.peers import OURS

STREAMS = 3


def main(streams: int) -> None:
    """Print the table."""
    import structlog  # noqa: PLC0415 - imported by the interpreter that has scikit-learn

    from homeostat.artifacts.holdout import Holdout  # noqa: PLC0415 - as above
    from support.promises import NOW, told  # noqa: PLC0415 - as above
    from support.stream import a_stream  # noqa: PLC0415 - as above

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    forms = {
        "`{percent: 20}`": Holdout(percent=20),
        "`{percent: 20, groupBy: day}`": Holdout(percent=20, group_by="day"),
        "`{latest: 720h}`": Holdout(latest_seconds=30 * 86_400),
        "absent": Holdout(),
    }
    sys.stdout.write("| stream | holdout | promised skill | live skill | kept | warned |\n|---|---|---|---|---|---|\n")
    for name, shock in (("shared shocks and season", 1.0), ("season alone", 0.0)):
        for form, holdout in forms.items():
            found = [told(a_stream(seed, shock=shock), holdout) for seed in range(1, streams + 1)]
            pairs = [(one.promised, one.live(NOW, NOW + 50)) for one in found]
            promised, live = (sum(pair[side][0] for pair in pairs) / streams for side in (0, 1))
            kept = sum(told_of[1] <= came[2] and came[1] <= told_of[2] for told_of, came in pairs)
            warned = sum(any("flatters" in w for w in one.result.dataset.warnings) for one in found)
            sys.stdout.write(
                f"| {name} | {form} | {promised:.3f} | {live:.3f} | {kept} of {streams} | {warned} of {streams} |\n"
            )


if __name__ == "__main__":
    if importlib.util.find_spec("sklearn") is None:
        os.execv(OURS, [str(OURS), *sys.argv])  # noqa: S606 - this project's other environment
    main(int(sys.argv[1]) if len(sys.argv) > 1 else STREAMS)
