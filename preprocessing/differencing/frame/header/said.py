"""A header as it is read: values under any of several keys, with an account of which key gave what."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from astropy.io.fits import Header

from astrid_ml.printable import printable

_NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eEdD][+-]?\d+)?)\s*(.*)")
# What may stand behind a number in a text: of another word it is not known whether it changes the number.
_UNIT = re.compile(
    r"[\[(]?\s*(s|sec|secs|seconds?|ms|msec|us|usec|min|minutes?|h|hours?|d|days?|e-?|el|electrons?|adus?|dn|db|mag"
    r"|(?:e-?|electrons?)\s*(?:/|per)\s*(?:adu|dn|counts?)|(?:adu|dn|counts?)\s*(?:/|per)\s*(?:e-?|electrons?))"
    r"(?:[\s,]*rms)?\s*[\])]?",
    re.IGNORECASE,
)
ZEROS_OF_TIME = ("MJDREF", "JDREF", "BJDREF")  # whole, or as days (I) and a fraction (F)
_GROUPED = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+\.\d*|[+-]?\d{1,3}(?:,\d{3}){2,}")  # commas of thousands
_DECIMAL = re.compile(r"[+-]?(?:\d+,(?:\d{1,2}|\d{4,})|0+,\d+)")
_EITHER = re.compile(r"[+-]?[1-9]\d*,\d{3}")  # 1.5 or 1500
_HEAD = re.compile(r"[+-]?\d[\d,]*(?:\.\d*)?")
_AMPLIFIER = re.compile(r"(?<=\w{4})[A-D1-4]$|(?<=OUT)\d+")  # in a key, which of several it is of
_BRACKETS = re.compile(r"\s*\[([^\]]+)\]")


@dataclass(frozen=True)
class HeaderAccount:
    """What a header gave, for ``quality.json``.

    Args:
        read: value -> the key, or keys, that it was read from.
        cards: key -> what stands there, of each that was read.
        values: value -> what was made of it.
        assumed: value -> what was assumed because no key says it.
        unknown: value -> why it is not known.
        doubted: value -> what contradicts it: the user is warned.
    """

    read: dict[str, str] = field(default_factory=dict)
    cards: dict[str, str] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)
    assumed: dict[str, str] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)
    doubted: dict[str, str] = field(default_factory=dict)

    def record(self) -> dict[str, dict[str, str]]:
        """Plain containers, without what is empty."""
        parts = {name: getattr(self, name) for name in self.__dataclass_fields__}
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

    def number(self, value: str, keys: Iterable[str], usable: Callable[[float], bool] = lambda _: True) -> float | None:
        """The first finite number under one of the keys, also where it is stored as text.

        Args:
            value: what it is, for the account; empty for none.
            keys: best first.
            usable: of numbers that stand for none (-99) the next key is asked.
        """
        for key in keys:
            found = as_number(self.header.get(key))
            if found is not None and usable(found):
                if value:
                    self.account.read[value] = key
                return found
            self._doubt_no_number(value, key)
        return None

    def _doubt_no_number(self, value: str, key: str) -> None:
        """What is taken instead of a key that holds no number is not what its author meant."""
        text = str(self.header.get(key, "")).strip()
        if value and text and as_number(text) is None:
            why = "may be a decimal or thousands" if _EITHER.fullmatch(text) else "is no number"
            self.account.doubted.setdefault(value, printable(f"{key} = {text[:40]} {why}"))

    def comment(self, key: str) -> str:
        """What stands behind the value of a key; empty where there is nothing."""
        return str(self.header.comments[key]).strip() if key in self.header else ""

    def unit_beside(self, value: str) -> str | None:
        """The unit of the number that a value was read from: in its text, or ``[ms]`` at its comment's start."""
        key = self.account.read.get(value, "").split(",")[0]
        behind = _NUMBER.fullmatch(str(self.header.get(key, "")).strip())
        if behind is not None and behind[2]:
            inside = _UNIT.fullmatch(behind[2])
            return inside[1] if inside else behind[2]
        found = _BRACKETS.match(self.comment(key))
        return found[1].strip() if found else None

    def words_beside(self, value: str) -> str:
        """All that is said of the number that a value was read from: its unit in the text, and the comment."""
        key = self.account.read.get(value, "").split(",")[0]
        behind = _NUMBER.fullmatch(str(self.header.get(key, "")).strip())
        return f"{behind[2] if behind else ''} {self.comment(key)}".strip()

    def numbers(self, value: str, keys: Sequence[str], lowest: bool = False) -> float | None:
        """The same, the mean or lowest of amplifiers where the first key that is there has twins (GAINA, GAINB)."""
        first = next((key for key in keys if as_number(self.header.get(key)) is not None), None)
        for key in keys[: None if first is None else keys.index(first)]:
            self._doubt_no_number(value, key)
        if first is None:
            return None
        form = _AMPLIFIER.sub("#", first)
        twins = [key for key in keys if _AMPLIFIER.sub("#", key) == form] if form != first else [first]
        found = {key: number for key in twins if (number := as_number(self.header.get(key))) is not None}
        if value:
            self.account.read[value] = ", ".join(found)
            if len(set(found.values())) > 1:
                self.account.assumed[value] = f"the {'lowest' if lowest else 'mean'} of its amplifiers"
        return min(found.values()) if lowest else math.fsum(found.values()) / len(found)

    def text(self, value: str, keys: Iterable[str]) -> str | None:
        """The first text under one of the keys that is not empty; numbers as text."""
        for key in keys:
            found = str(self.header.get(key, "")).strip()
            if found:
                if value:
                    self.account.read[value] = key
                return found
        return None

    def note_cards(self) -> None:
        """Account for what stands under each key from which something was read."""
        for text in self.account.read.values():
            for word in re.split(r", | and | x | of ", text):
                for key in (word, f"{word}I", f"{word}F") if word in ZEROS_OF_TIME else (word,):
                    if key in self.header:
                        self.account.cards[key] = str(self.header[key]).strip()

    def assume(self, value: str, what: str, also: bool = False) -> None:
        """Note what was assumed; ``also``: beside what was assumed of it before."""
        before = self.account.assumed.get(value) if also else None
        self.account.assumed[value] = f"{before}; {what}" if before else what

    def doubt(self, value: str, why: str) -> None:
        """Note what contradicts a value that is used nevertheless."""
        self.account.doubted[value] = why

    def give_up(self, value: str, why: str) -> None:
        """Note why a value is not known."""
        self.account.read.pop(value, None)
        self.account.unknown[value] = why

    def absent(self, value: str, why: str = "no key holds it") -> None:
        """Note that no key holds a value, or what stands in the one that should, unless it is known already."""
        self.account.read.pop(value, None)
        self.account.unknown.setdefault(value, self.account.doubted.get(value, why))

    def merge(self, aside: Said) -> None:
        """Take over what was noted apart, while it was not known whether it would count."""
        for name in self.account.__dataclass_fields__:
            getattr(self.account, name).update(getattr(aside.account, name))


def as_number(value: Any) -> float | None:
    """A finite number, from a number or a text that holds one, with its unit or without; None for anything else.

    >>> as_number("30.0"), as_number("1.5D+01"), as_number("12 s"), as_number(True), as_number("n/a"), as_number("inf")
    (30.0, 15.0, 12.0, None, None, None)
    >>> as_number("4.5 e- rms"), as_number("3 apples")
    (4.5, None)
    >>> as_number("60,0"), as_number("2,458,909.5"), as_number("1,500"), as_number("1,2,3")
    (60.0, 2458909.5, None, None)
    """
    if isinstance(value, str):
        found = _NUMBER.fullmatch(_without_commas(value.strip()))
        plain = found is not None and (not found[2] or _UNIT.fullmatch(found[2]) is not None)
        value = float(found[1].upper().replace("D", "E")) if found and plain else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _without_commas(text: str) -> str:
    """A number whose commas have one meaning, that of a decimal point or of thousands, with a point alone."""
    head = _HEAD.match(text)
    if head is None or "," not in head[0]:
        return text
    if _GROUPED.fullmatch(head[0]):
        return head[0].replace(",", "") + text[head.end() :]
    return head[0].replace(",", ".") + text[head.end() :] if _DECIMAL.fullmatch(head[0]) else text
