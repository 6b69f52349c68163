"""Memory that an image took goes back before the next one comes."""

from __future__ import annotations

import ctypes
import gc
import sys

M_MMAP_THRESHOLD, LARGE = -3, 1 << 22  # of malloc.h; bytes


def return_large_blocks() -> bool:
    """Have the C library give blocks of 4 MiB and more back when they are freed; whether it does so.

    It begins to keep them after the first ones were freed: then each pair that is subtracted adds to what is held.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        return bool(ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, LARGE))
    except (OSError, AttributeError):
        return False


def forget_images() -> None:
    """Free what is held by circles of objects alone: planes of the object that is done."""
    gc.collect()
