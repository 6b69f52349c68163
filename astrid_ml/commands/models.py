"""``astrid models``: what there is to predict with and to begin with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from astrid_ml.errors import UserError
from astrid_ml.found import found
from astrid_ml.shipped import cards
from astrid_ml.types import Existing

if TYPE_CHECKING:
    from astrid_ml.checkpoint.record import Record


@dataclass(frozen=True)
class ModelsCommand:
    """List the weights of the package, and the checkpoints below a folder.

    Args:
        input: a folder of runs, or a checkpoint; None for the package alone.
    """

    input: Existing | None = None

    def run(self) -> dict[str, Any]:
        """Name or file -> what it is, in one line; ``failed`` counts checkpoints that cannot be read.

        Raises:
            UserError: there is nothing at ``input``.
        """
        out: dict[str, Any] = {}
        for name, card in sorted(cards().items()):
            kind = "init=" if str(card.get("file", "")).endswith(".ckpt") else "used by itself"
            out[name] = (
                f"of the package ({kind}, {card['bytes']:,} bytes, sha256 {card['sha256'][:12]}): {card['task']}"
            )
        return out if self.input is None else {**out, **self._below(Path(self.input))}

    @staticmethod
    def _below(place: Path) -> dict[str, Any]:
        from astrid_ml.checkpoint.load import read_record  # torch with it

        out: dict[str, Any] = {}
        failed = 0
        for path in files_below(place):
            try:
                record, weights = read_record(path)
                out[str(path)] = line_of(record, sum(w.numel() for key, w in weights.items() if "network." in key))
            except UserError as error:
                out[str(path)] = f"cannot be read: expected {error.expected}, got {error.got}"
                failed += 1
        return {**out, "failed": failed} if failed else out


def files_below(place: Path) -> list[Path]:
    """Checkpoints that can be begun with: ``best.ckpt`` of runs.

    Raises:
        UserError: there are none.
    """
    files = [place] if place.is_file() else sorted(place.rglob("best.ckpt"))
    if not files:
        fix = "give the folder of a run, or one above it"
        raise UserError("input=FOLDER with runs, or a checkpoint", found(place), fix)
    return files


def line_of(record: Record, numbers: int) -> str:
    """A checkpoint in one line.

    Args:
        record: of it.
        numbers: weights of its networks.
    """
    network = record.config.get("model", {}).get("network", {})
    name = str(network.get("_target_", "a program")).rpartition(".")[2] if isinstance(network, dict) else "a program"
    count = f", {record.count} networks" if record.count > 1 else ""
    said = f"; {record.note}" if record.note else ""
    data = f", dataset {record.dataset_fingerprint[:12]}" if record.dataset_fingerprint else ""
    return f"{record.domain}, {name} of {numbers:,} numbers{count}{data}{said}"
