"""A pair of frames: one line of a manifest."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Pair:
    """One line of a manifest: two frames, and the truth's table where there is one.

    Args:
        name: of the pair, made unique by ``#2`` and on.
        science, reference: what :class:`Frame` takes: ``path`` and what the line says of the frame.
        truth: file of the true changes; None where there is none.
        artefacts: file of what may be detected though nothing changed (x, y, radius in px, kind); None: not known.
    """

    name: str
    science: dict[str, Any]
    reference: dict[str, Any]
    truth: str | None = None
    artefacts: str | None = None


def said_of(frame: Any) -> dict[str, Any]:
    """What a frame's fields say, as a line of a manifest would."""
    return {name: value for name, value in asdict(frame).items() if value is not None}
