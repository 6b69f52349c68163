"""Where networks compute, and what the processor can do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from astrid_ml.errors import UserError

CHOICES = "device=auto, cpu, cuda or cuda:N"


def device_of(text: str) -> str:
    """What ``device=`` says, as torch names it.

    Args:
        text: ``auto`` (the first GPU where torch sees one, else the processor), ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        UserError: it is none of these, or this machine has no such GPU.

    Example:
        >>> device_of("cpu")
        'cpu'
    """
    found = re.fullmatch(r"auto|cpu|cuda(?::(\d{1,3}))?", str(text))
    if found is None:
        raise UserError(CHOICES, f"device={text}", "for instance device=cpu")
    if text == "cpu":
        return "cpu"
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if text == "auto":
        return "cuda:0" if count else "cpu"
    number = int(found[1] or 0)
    if number >= count:
        there = f"{count} of them, cuda:0 to cuda:{count - 1}" if count else "none"
        fix = "set device=cpu" if not count else "choose one of them, or device=cpu"
        raise UserError(
            f"a GPU that torch can use for device={text}", there, f"{fix}; astrid doctor lists what is there"
        )
    return f"cuda:{number}"


@contextmanager
def full_precision(device: str) -> Iterator[None]:
    """A block in which a GPU multiplies in float32, as the processor does; else it may use 10 bits of each fraction.

    Args:
        device: as :func:`device_of` gives it.
    """
    if not device.startswith("cuda"):
        yield
        return
    import torch

    dnn, multiply = torch.backends.cudnn, torch.backends.cuda.matmul
    before = dnn.allow_tf32, multiply.allow_tf32
    dnn.allow_tf32, multiply.allow_tf32 = False, False
    try:
        yield
    finally:
        dnn.allow_tf32, multiply.allow_tf32 = before


def cpu_has_bf16() -> bool:
    """Whether the processor multiplies in bfloat16 (AVX512-BF16 or AMX); elsewhere emulation would be slower."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags
