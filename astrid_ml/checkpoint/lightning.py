"""How Lightning writes the checkpoints of a training that goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytorch_lightning.plugins.io import TorchCheckpointIO

from astrid_ml.checkpoint.files import write_whole


class AtomicCheckpointIO(TorchCheckpointIO):
    """Lightning's checkpoint writer, with a rename at the end: a kill never leaves half a ``last.ckpt``."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        write_whole(checkpoint, Path(path))
