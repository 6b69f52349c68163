"""Weights that come with the package: JSON of plain numbers, known by their digests."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from astrid_ml.errors import UserError

CARDS = "cards.json"
_FOLDER = "models/weights"


@dataclass(frozen=True)
class Shipped:
    """Weights of the package.

    Args:
        name: by which they are asked for.
        content: of their file.
        card: what they were made from, where they hold, what was measured of them.
    """

    name: str
    content: dict[str, Any]
    card: dict[str, Any]


def cards() -> dict[str, dict[str, Any]]:
    """The card of each, by name; ``sha256`` is the digest of its file.

    Example:
        >>> sorted(cards())
        ['lightcurve_encoder', 'ramps_fusion']
    """
    found: dict[str, dict[str, Any]] = json.loads(_bytes(CARDS))
    return found


def shipped(name: str) -> Shipped:
    """Weights by their name.

    Args:
        name: one of :func:`cards`.

    Raises:
        UserError: there are none of this name, or their file is not the one that the card describes.
    """
    known = cards()
    if name not in known:
        raise UserError(f"weights of the package: {', '.join(sorted(known))}", name, "choose one of them")
    content = _bytes(f"{name}.json")
    digest = hashlib.sha256(content).hexdigest()
    if digest != known[name]["sha256"]:
        raise UserError(
            f"the file of {name} with the digest of its card",
            f"{digest[:12]}, not {str(known[name]['sha256'])[:12]}: the installed file was changed",
            "install astrid-ml again",
        )
    return Shipped(name, json.loads(content), known[name])


def network_file(name: str) -> Path:
    """The checkpoint of a network that comes with the package.

    Raises:
        UserError: there is none of this name, or its file is not the one that the card describes.
    """
    known = {key: card for key, card in cards().items() if card.get("file", "").endswith(".ckpt")}
    if name not in known:
        there = f"a network of the package: {', '.join(sorted(known))}"
        raise UserError(f"init=CKPT, the best.ckpt of a run, or {there}", f"{name}, which is neither", "check the path")
    path = Path(str(files("astrid_ml").joinpath(*_FOLDER.split("/"), known[name]["file"])))
    digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "no file"
    if digest != known[name]["sha256"]:
        got = f"{digest[:12]}, not {str(known[name]['sha256'])[:12]}: the installed file was changed"
        raise UserError(f"the file of {name} with the digest of its card", got, "install astrid-ml again")
    return path


def _bytes(file: str) -> bytes:
    return files("astrid_ml").joinpath(*_FOLDER.split("/"), file).read_bytes()
