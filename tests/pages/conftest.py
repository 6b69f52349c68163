"""The modules beside these tests, and the script that makes the pages' numbers, are imported by their names."""

import sys
from pathlib import Path

from made.browser import chromium, visit  # noqa: F401  fixtures

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2] / "benchmarks")]
