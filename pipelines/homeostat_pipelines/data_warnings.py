"""What a run takes as missing, changes or leaves out: counted here, shown in the status of its object."""

from collections import Counter

import structlog

from homeostat.api.common import WARNINGS_LIMIT

log = structlog.get_logger()


class DataWarnings:
    """Sentences with a count, in the order in which they came up first."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, text: str, count: int) -> None:
        """Counts occurrences.

        Args:
            text: The sentence, with {count} where the number stands; equal ones are added up.
            count: Occurrences; none is no warning.
        """
        if count:
            self._counts[text] += count

    def listed(self) -> list[str]:
        """The sentences, at most `WARNINGS_LIMIT` of them; the last one then says how many more there are. The log has all."""
        sentences = [text.replace("{count}", f"{count:,}") for text, count in self._counts.items()]
        for sentence in sentences:
            log.warning(sentence)
        return bounded(sentences)


def bounded(sentences: list[str]) -> list[str]:
    """At most `WARNINGS_LIMIT` sentences; the last one then says how many more there are."""
    if len(sentences) <= WARNINGS_LIMIT:
        return sentences
    return [
        *sentences[: WARNINGS_LIMIT - 1],
        f"There are {len(sentences) - WARNINGS_LIMIT + 1} more; the run's log has them.",
    ]
