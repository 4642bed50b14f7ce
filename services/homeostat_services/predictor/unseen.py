"""The most frequent categories that training has not seen: few, and only those that name a group and not a person."""

from collections import Counter
from collections.abc import Sequence

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

    def add(self, values: Sequence[object], new: int) -> None:
        """Count the served values of a block, of which `new` are unseen."""
        self._served += len(values)
        if not new:  # the usual case costs nothing
            return
        texts = (category_text(value) for value in values if not is_missing(value))
        for text, number in Counter(text for text in texts if text not in self._known).items():
            value = text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
            if value in self.shown:
                self.shown[value] += number
            else:
                self.counts[value] += number
        self._promote()

    def _promote(self) -> None:
        least = max(LEAST_ROWS, LEAST_SHARE * self._served)
        for value, number in self.counts.most_common(SHOWN - len(self.shown)):
            if number >= least:
                self.shown[value] = self.counts.pop(value)
        if len(self.counts) > KEPT:
            self.counts = Counter(dict(self.counts.most_common(KEPT)))
