"""Shares of one command's work for batch systems: each job does its own, and ``astrid publish`` joins them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from astrid_ml.contracts.pipeline import Drop
from astrid_ml.errors import UserError
from astrid_ml.files import read_note, write_json
from astrid_ml.footprint import inner_folder
from astrid_ml.readable import in_words

SHARDS = "shards"  # folder: what each shard could not do
JOIN = "join"  # instead of i/n: nothing is done, finished work is joined


@dataclass(frozen=True)
class Share:
    """Every n-th piece of work, from the i-th on; or none of them, to join what shards did.

    Args:
        index: i, from 1; 0 joins.
        of: n.

    Example:
        >>> [position for position in range(8) if Share(2, 3).takes(position)]
        [1, 4, 7]
    """

    index: int
    of: int

    @property
    def joins(self) -> bool:
        """Whether finished work is joined, and nothing done."""
        return self.index == 0

    def takes(self, position: int) -> bool:
        """Whether a piece of work, counted from 0, is of this share."""
        return not self.joins and position % self.of == self.index - 1

    def __str__(self) -> str:
        return JOIN if self.joins else f"{self.index}/{self.of}"


def share_of(text: str | None) -> Share | None:
    """What ``shard=`` says.

    Raises:
        UserError: it is neither i/n nor ``join``.

    Example:
        >>> share_of("2/4"), share_of(None)
        (Share(index=2, of=4), None)
    """
    if text is None:
        return None
    if text == JOIN:
        return Share(0, 0)
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", str(text))
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise UserError("shard: i/n with i from 1 to n, or join, or null", f"shard={text}", "for instance shard=1/4")
    return Share(int(found[1]), int(found[2]))


def note_share(folder: Path, share: Share, failed: Iterable[Drop]) -> None:
    """Keep what a shard could not do, for whoever joins: ``<folder>/shards/<i>-of-<n>.json``.

    Args:
        folder: of the work.
        share: which is done now.
        failed: pieces of work without a result.
    """
    inner_folder(folder, SHARDS)
    content = [{"id": drop.id, "reason": drop.reason} for drop in failed]
    write_json(folder / SHARDS / f"{share.index}-of-{share.of}.json", {"failed": content})


def failed_of_shares(folder: Path, which: str = "*-of-*") -> dict[str, str]:
    """Name -> reason of all that shards could not do.

    Args:
        folder: of the work.
        which: shards, as their notes are called.
    """
    out: dict[str, str] = {}
    for path in sorted((folder / SHARDS).glob(f"{which}.json")):
        try:
            content = read_note(path)
            out |= {str(drop["id"]): str(drop["reason"]) for drop in content["failed"]}
        except (ValueError, TypeError, KeyError) as error:
            raise UserError("whole notes of shards", f"{path}: {in_words(error)}", "run that shard again") from error
    return out


def refuse_unfinished(names: Sequence[str], finished: Iterable[str], failed: Mapping[str, Any], folder: Path) -> None:
    """Refuse to join while there is work that no shard did or tried.

    Args:
        names: of all pieces of work, in their order.
        finished: those that have a result.
        failed: those that a shard tried in vain.
        folder: of the work.

    Raises:
        UserError: says how many are missing, and of which shards where that can be told.
    """
    done = set(finished) | set(failed)
    missing = [position for position, name in enumerate(names) if name not in done]
    if not missing:
        return
    got = f"{len(missing)} of {len(names)} pieces of work are missing (the first is {names[missing[0]]})"
    raise UserError("all shards to be done", got, f"run {shards_with(missing, folder)} again, then astrid publish")


def shards_with(positions: Iterable[int], folder: Path) -> str:
    """Words for the shards that have pieces of work, as they are typed; six of them at most.

    Args:
        positions: of the pieces, from 0.
        folder: of the work.
    """
    counts = {int(path.stem.split("-of-")[1]) for path in (folder / SHARDS).glob("*-of-*.json")}
    if len(counts) != 1:
        return "the shards with them"
    of = counts.pop()
    return ", ".join(f"shard={index + 1}/{of}" for index in sorted({position % of for position in positions})[:6])
