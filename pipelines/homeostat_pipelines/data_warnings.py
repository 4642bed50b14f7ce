"""What a run takes as missing, changes or leaves out: counted here, shown in the status of its object."""

import re
from collections import Counter

import structlog

from homeostat.api.common import MESSAGE_LIMIT, WARNINGS_LIMIT, truncated

log = structlog.get_logger()

_SUBJECT = re.compile(r"""(?<!\w)'[^']*'|"[^"]*"|s3://[^\s,;)]+""")
_VARYING = re.compile(rf"{_SUBJECT.pattern}|\d[\d.,]*%?")
"""What tells sentences of one kind apart: quoted names, addresses and numbers."""
NAMED = 5
NAME_LIMIT = 64


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

    def counts(self) -> dict[str, int]:
        """The sentences so far, as they were added, each with its count."""
        return dict(self._counts)

    def listed(self) -> list[str]:
        """The sentences, at most `WARNINGS_LIMIT` of them, those of one kind merged where there are more. The log has all."""
        sentences = [text.replace("{count}", f"{count:,}") for text, count in self._counts.items()]
        for sentence in sentences:
            log.warning(sentence)
        return bounded(sentences)


def bounded(sentences: list[str]) -> list[str]:
    """At most `WARNINGS_LIMIT` sentences: of more, those of one kind become one, so that no kind is lost."""
    if len(sentences) <= WARNINGS_LIMIT:
        return sentences
    kinds: dict[str, list[str]] = {}
    for sentence in sentences:
        kinds.setdefault(_VARYING.sub("…", sentence), []).append(sentence)
    merged = [_merged(alike) for alike in kinds.values()]
    if len(merged) <= WARNINGS_LIMIT:
        return merged
    rest = len(merged) - WARNINGS_LIMIT + 1
    return [*merged[: WARNINGS_LIMIT - 1], f"There are {rest} more kinds of warnings; the run's log has them."]


def _merged(alike: list[str]) -> str:
    """The first of sentences of one kind, with whom the others are about."""
    first, *others = alike
    if not others:
        return first
    names = [truncated(found.group(), NAME_LIMIT) for found in map(_SUBJECT.search, others[:NAMED]) if found]
    more = [f"{len(others) - len(names):,} more"] if len(others) > len(names) else []
    rest = f" Likewise, each with its own numbers, of {', '.join([*names, *more])}; the run's log has them."
    return truncated(first, MESSAGE_LIMIT - len(rest)) + rest
