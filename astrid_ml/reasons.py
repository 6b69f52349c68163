"""Why nothing was left, in one line of a message."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

# Names of exceptions, which say nothing to whoever owns the file: libraries put them into their words too.
_NAMED = re.compile(r"\b(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Warning):\s*")
_LIMIT = re.compile(r"\((executor\.[\w.]+)")  # the key that a reason names; some name a second one
LONGEST = 160  # characters of a reason


def in_words(reasons: Iterable[str], most: int = 3) -> str:
    """The commonest reasons with their counts.

    Args:
        reasons: one for each thing that was dropped or failed.
        most: of them that are told.

    Example:
        >>> in_words(["no WCS", "no observations", "no WCS"])
        'none of 3: 2 no WCS, 1 no observations'
        >>> in_words([])
        'nothing to begin with'
    """
    counts = Counter(shortened(reason, LONGEST) for reason in reasons)
    if not counts:
        return "nothing to begin with"
    told = [f"{count} {reason}" for reason, count in counts.most_common(most)]
    others = len(counts) - len(told)
    return f"none of {counts.total()}: {', '.join(told)}" + (f", and {others} other reasons" if others > 0 else "")


def mend(reasons: Iterable[object], otherwise: str) -> str:
    """What to do where nothing could be done: of limits of the executor, whose reasons name their keys, to raise them.

    Args:
        reasons: of all that failed.
        otherwise: what to do where one of them is another.

    Example:
        >>> mend(["it was not done after 2 s, which is its limit (executor.limits.seconds)"], "give other files")
        'raise executor.limits.seconds, or give smaller files'
        >>> mend(["no cutout"], "give other files")
        'give other files'
    """
    keys = [_LIMIT.search(str(reason)) for reason in reasons]
    found = list(dict.fromkeys(key[1] for key in keys if key is not None))
    return f"raise {', '.join(found)}, or give smaller files" if keys and all(keys) else otherwise


def only_limits(reasons: Iterable[object]) -> bool:
    """Whether all that failed went over limits of the executor.

    Args:
        reasons: of all that failed.
    """
    return mend(reasons, "") != ""


def told(lines: Sequence[str], most: int, where: str) -> Iterator[str]:
    """The first lines of many, and a word of the others.

    Args:
        lines: one for each thing.
        most: of them that are told.
        where: all of them stand.

    Example:
        >>> list(told(["failed a", "failed b", "failed c"], 2, "report.json"))
        ['failed a', 'failed b', 'and 1 more: report.json']
    """
    yield from lines[:most]
    if len(lines) > most:
        yield f"and {len(lines) - most} more: {where}"


def shortened(text: str, most: int) -> str:
    """The beginning of a long text, which ends at a word; one word that is longer is cut.

    Args:
        text: of a message.
        most: characters, the three points included.

    Example:
        >>> shortened("the file ends before its last row", 25)
        'the file ends before...'
        >>> shortened("the file ends", 25)
        'the file ends'
    """
    if len(text) <= most:
        return text
    kept = text[: most - 2]  # one more than fits: a word may end just there
    words = kept.rpartition(" ")[0].rstrip(" ,;:.") or kept[:-1]
    return f"{words}..."


def plain(said: str) -> str:
    """What a library says, in one line and without the names of exceptions.

    >>> plain("Couldn't deserialize thrift: TProtocolException: Invalid data\\nDeserializing page header failed.\\n")
    "Couldn't deserialize thrift: Invalid data Deserializing page header failed."
    """
    return _NAMED.sub("", " ".join(said.split()))
