"""Files as disks, networks and attackers change them; the same seed gives the same change."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

CARD = 80
NUMBERS = (b"-1", b"0", b"1000000000", b"9223372036854775807", b"-9223372036854775808", b"1e308", b"nan", b"inf", b"''")


def cut(content: bytearray, dice: random.Random) -> bytes:
    """The file ends early."""
    return bytes(content[: dice.randrange(len(content))])


def flip(content: bytearray, dice: random.Random) -> bytes:
    """Single bits are other."""
    for _ in range(dice.choice((1, 1, 3, 30))):
        content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
    return bytes(content)


def blank(content: bytearray, dice: random.Random) -> bytes:
    """A stretch holds zeros, or ones: a block that was never written."""
    start = dice.randrange(len(content))
    length = dice.choice((1, 16, 512, 4096))
    content[start : start + length] = dice.choice((b"\0", b"\xff")) * len(content[start : start + length])
    return bytes(content)


def early(content: bytearray, dice: random.Random) -> bytes:
    """Bytes of the first part, where headers stand, are other."""
    for _ in range(dice.choice((1, 2, 8))):
        content[dice.randrange(min(len(content), 6000))] = dice.randrange(256)
    return bytes(content)


def card(content: bytearray, dice: random.Random) -> bytes:
    """The value of a FITS card is another number; in other files, as :func:`number`."""
    places = [
        place for place in range(0, min(len(content), 200 * 2880), CARD) if content[place + 8 : place + 10] == b"= "
    ]
    if not places or not content.startswith(b"SIMPLE"):
        return number(content, dice)
    place = dice.choice(places)
    content[place + 10 : place + CARD] = dice.choice(NUMBERS).rjust(20).ljust(CARD - 10)
    return bytes(content)


def number(content: bytearray, dice: random.Random) -> bytes:
    """A number that stands as text is another."""
    found = list(re.finditer(rb"-?\d+(?:\.\d+)?", bytes(content[:200_000])))
    if not found:
        return flip(content, dice)
    at = dice.choice(found)
    return bytes(content[: at.start()]) + dice.choice(NUMBERS) + bytes(content[at.end() :])


def twice(content: bytearray, dice: random.Random) -> bytes:
    """A stretch stands twice, or is gone."""
    start, length = dice.randrange(len(content)), dice.choice((1, 80, 2880, 5000))
    piece = bytes(content[start : start + length])
    rest = bytes(content[start + length :])
    return bytes(content[:start]) + (piece + piece if dice.random() < 0.5 else b"") + rest


def more(content: bytearray, dice: random.Random) -> bytes:
    """Something stands behind the end."""
    return bytes(content) + dice.randbytes(dice.choice((1, 80, 3000)))


def noise(content: bytearray, dice: random.Random) -> bytes:
    """Nothing but noise, of some length; or nothing."""
    return dice.randbytes(dice.choice((0, 1, 100, len(content))))


WAYS: tuple[Callable[[bytearray, random.Random], bytes], ...] = (
    cut, flip, blank, early, card, number, twice, more, noise,
)  # fmt: skip


def mutated(content: bytes, seed: int) -> tuple[str, bytes]:
    """(name of the change, the changed file) for a seed; the ways take turns.

    Args:
        content: of the sound file; not empty.
        seed: which change.
    """
    way = WAYS[seed % len(WAYS)]
    return way.__name__, way(bytearray(content), random.Random(f"{len(content)} {seed}"))
