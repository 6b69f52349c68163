"""Makes the toy domains importable by name, as a user's own package is."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
