"""A header as it is read: values under any of several keys, with an account of which key gave what."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from astropy.io.fits import Header

from astrid_ml.printable import printable

_NUMBER = re.compile(
    r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eEdD][+-]?\d+)?)\s*(?:s|sec|seconds?|e-?/(?:adu|dn))?", re.IGNORECASE
)


_UNIT = re.compile(r"\s*\[([^\]]+)\]")


@dataclass(frozen=True)
class HeaderAccount:
    """What a header gave, for ``quality.json``.

    Args:
        read: value -> the key, or keys, that it was read from.
        assumed: value -> what was assumed because no key says it.
        unknown: value -> why it is not known.
        strange: value -> a key that should hold it, with what it holds instead.
    """

    read: dict[str, str] = field(default_factory=dict)
    assumed: dict[str, str] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)
    strange: dict[str, str] = field(default_factory=dict)

    def record(self) -> dict[str, dict[str, str]]:
        """Plain containers, without what is empty."""
        parts = {"read": self.read, "assumed": self.assumed, "unknown": self.unknown, "strange": self.strange}
        return {name: dict(sorted(part.items())) for name, part in parts.items() if part}


@dataclass(frozen=True)
class Said:
    """A header that keeps the account.

    Args:
        header: primary and extension, merged.
        account: grows while values are asked for.
    """

    header: Header
    account: HeaderAccount = field(default_factory=HeaderAccount)

    def number(self, value: str, keys: Iterable[str]) -> float | None:
        """The first finite number under one of the keys, also where it is stored as text.

        Args:
            value: what it is, for the account; empty for none.
            keys: best first.
        """
        for key in keys:
            found = as_number(self.header.get(key))
            if found is not None:
                if value:
                    self.account.read[value] = key
                return found
            self._note_strange(value, key)
        return None

    def _note_strange(self, value: str, key: str) -> None:
        """Note a key that holds no number: what is taken instead of it is not what its author meant."""
        text = str(self.header.get(key, "")).strip()
        if value and text:
            self.account.strange.setdefault(value, printable(f"{key} = {text[:40]}"))

    def unit_beside(self, value: str) -> str | None:
        """The unit in the comment of the key that a value was read from: ``[ms]`` at its start, as FITS has it."""
        key = self.account.read.get(value, "")
        found = _UNIT.match(str(self.header.comments[key])) if key in self.header else None
        return found[1].strip() if found else None

    def numbers(self, value: str, keys: Sequence[str]) -> float | None:
        """The same, as the mean over amplifiers where the first key that is there has twins (GAINA, GAINB)."""
        first = next((key for key in keys if as_number(self.header.get(key)) is not None), None)
        for key in keys[: None if first is None else keys.index(first)]:
            self._note_strange(value, key)
        if first is None:
            return None
        twins = [key for key in keys if len(key) > 4 and key[:-1] == first[:-1] and key[-1] in "ABCD1234"]
        twins = twins if first in twins else [first]
        found = {key: number for key in twins if (number := as_number(self.header.get(key))) is not None}
        if value:
            self.account.read[value] = ", ".join(found)
            if len(set(found.values())) > 1:
                self.account.assumed[value] = "the mean of its amplifiers"
        return math.fsum(found.values()) / len(found)

    def text(self, value: str, keys: Iterable[str]) -> str | None:
        """The first text under one of the keys that is not empty; numbers as text."""
        for key in keys:
            found = str(self.header.get(key, "")).strip()
            if found:
                if value:
                    self.account.read[value] = key
                return found
        return None

    def assume(self, value: str, what: str) -> None:
        """Note what was assumed."""
        self.account.assumed[value] = what

    def give_up(self, value: str, why: str) -> None:
        """Note why a value is not known."""
        self.account.read.pop(value, None)
        self.account.unknown[value] = why


def as_number(value: Any) -> float | None:
    """A finite number, from a number or a text that holds one; None for anything else.

    >>> as_number("30.0"), as_number("1.5D+01"), as_number("12 s"), as_number(True), as_number("n/a"), as_number("inf")
    (30.0, 15.0, 12.0, None, None, None)
    """
    if isinstance(value, str):
        found = _NUMBER.fullmatch(value.strip())
        value = float(found[1].upper().replace("D", "E")) if found else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
