"""What the processor can do."""

from __future__ import annotations

from pathlib import Path


def cpu_has_bf16() -> bool:
    """Whether the processor multiplies in bfloat16 (AVX512-BF16 or AMX); elsewhere emulation would be slower."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags
