"""The most frequent categories that training has not seen: few, and only those that name a group and not a person."""

from collections import Counter
from collections.abc import Collection

from homeostat.signals.histogram import FeatureBaseline, category_text
from homeostat.values import is_missing

SHOWN = 8
"""Values of a feature at most: each is a time series in Prometheus."""

LEAST_SHARE, LEAST_ROWS = 0.01, 20
"""Share of the feature's served values, and their number, from which on a value is shown."""

KEPT = 200
"""Values that are counted at a time: a hundred at most can be a hundredth of all."""

LONGEST = 40
"""Characters of a value."""


class UnseenValues:
    """Counts of one categorical feature's new values; those that are shown stay, so that their counts only rise."""

    def __init__(self, feature: FeatureBaseline) -> None:
        self.shown: dict[str, int] = {}
        self.counts: Counter[str] = Counter()
        self._known = feature.bin_of_category
        self._served = 0

    def add(self, values: Collection[tuple[object, int]], new: int) -> None:
        """Count served values, which come with their numbers; `new` of them are unseen."""
        self._served += sum(times for _, times in values)
        if not new:  # the usual case costs nothing
            return
        for served, times in values:
            text = category_text(served)
            if text in self._known or is_missing(served):
                continue
            value = text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
            if value in self.shown:
                self.shown[value] += times
            else:
                self.counts[value] += times
        self._promote()

    def _promote(self) -> None:
        least = max(LEAST_ROWS, LEAST_SHARE * self._served)
        for value, number in self.counts.most_common(SHOWN - len(self.shown)):
            if number >= least:
                self.shown[value] = self.counts.pop(value)
        if len(self.counts) > KEPT:
            self.counts = Counter(dict(self.counts.most_common(KEPT)))
