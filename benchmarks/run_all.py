"""Runs every benchmark in this folder, one after the other, and prints the machine first."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path


def machine() -> str:
    """Processor, cores, system."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
        name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), name)
    except OSError:
        pass
    return f"{name}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"


def main() -> int:
    """Exit code 1 if any benchmark failed."""
    print(machine())
    failed = 0
    for script in sorted(Path(__file__).parent.glob("*.py")):
        # pages.py measures for the pages (make pages), *_weights.py write into the package (make weights).
        if script.name not in (Path(__file__).name, "pages.py") and not script.name.endswith("_weights.py"):
            print(f"\n== {script.name}", flush=True)
            failed += subprocess.run([sys.executable, str(script)], check=False).returncode != 0
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
