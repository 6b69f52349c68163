"""Makes the toy pipelines importable by name, in this process and in those that the tests start."""

from __future__ import annotations

import os
import sys
from pathlib import Path

HERE = str(Path(__file__).parent)
sys.path.insert(0, HERE)
os.environ["PYTHONPATH"] = os.pathsep.join([HERE, str(Path(HERE).parents[1]), os.environ.get("PYTHONPATH", "")])
