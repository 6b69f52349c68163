"""Checkpoints on disk: written whole or not at all."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import torch

from astrid_ml.errors import UserError
from astrid_ml.files import whole


def write_whole(value: Any, path: Path) -> None:
    """``torch.save``, whole or not at all; a file of these very bytes is left.

    Raises:
        UserError: the disk is full, or the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Through a stream: of a path torch writes the name into the file, and that of a temporary is never the same.
        stream = BytesIO()
        torch.save(value, stream)
        if path.is_file() and path.stat().st_size == stream.tell() and path.read_bytes() == stream.getvalue():
            return
        with whole(path, durable=True) as part:
            part.write_bytes(stream.getbuffer())
    except (OSError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not any(word in str(error) for word in _TORCH_CANNOT_WRITE):
            raise
        raise UserError(
            "room and the right to write a checkpoint", f"{path}: {error}", "free space or choose another paths.run_dir"
        ) from error


# How torch, whose writer knows no OSError, says that the disk is full.
_TORCH_CANNOT_WRITE = ("PytorchStreamWriter", "unexpected pos", "inline_container")
