"""Makes ``house`` importable: the source as data, and what must be true of it."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
