"""What a command left, as digests that two equal runs share: content, without times and places."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from astrid_ml.checkpoint.digests import digest_of
from astrid_ml.run.stages import table_digest

# Times, machines and how often something was tried: true of one run, not of what it computes.
VOLATILE = {
    *("seconds", "started", "finished", "host", "cost", "environment", "stages", "units_done", "units_reused", "path"),
    *("run_dir", "sweep_dir", "overrides", "Repeat", "peak_anonymous_mb", "datePublished", "resumed"),
}
SKIPPED = {".html", ".md", ".log", ".lock"}  # pages repeat the numbers, with times
MARKS = ("locks", "stages", ".hydra", "logs", "multirun.yaml")  # multirun.yaml is Hydra's own, with its times


def products(folder: Path) -> dict[str, str]:
    """Relative name -> digest, of every product below a folder."""
    found = {}
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        kept = path.suffix not in SKIPPED and not set(inside.parts) & {*MARKS, "parts"} and not left_over(str(inside))
        if path.is_file() and kept:
            found[str(inside)] = digest(path, folder)
    return found


def digest(path: Path, folder: Path) -> str:
    """Of one file's content."""
    if path.suffix in (".json", ".yaml"):
        return digest_of(steady(yaml.safe_load(path.read_text(encoding="utf-8").replace(str(folder), "OUT"))))
    if path.suffix == ".parquet":
        table = pd.read_parquet(path)
        return table_digest(table.drop(columns=[name for name in table if volatile(str(name))]).map(_plain))
    if path.suffix == ".ckpt":
        return _of_checkpoint(path)
    return _of_bytes(path.read_bytes())


def volatile(name: str) -> bool:
    """Whether a key or a column is true of one run only."""
    return name.rpartition(".")[2] in VOLATILE or name.endswith("_seconds")


def steady(node: Any) -> Any:
    """Without what is true of one run only."""
    if isinstance(node, dict):
        return {key: steady(value) for key, value in node.items() if not volatile(str(key))}
    return [steady(value) for value in node] if isinstance(node, list) else node


def litter(folder: Path) -> list[str]:
    """Files that only an interrupted write leaves."""
    return sorted(filter(left_over, (str(path.relative_to(folder)) for path in folder.rglob("*"))))


def left_over(name: str) -> bool:
    """Whether a file's name is that of something unfinished."""
    return ".tmp" in name or ".part-" in name or name.endswith((".partial", ".lock"))


def _of_checkpoint(path: Path) -> str:
    import torch

    content = torch.load(path, map_location="cpu", weights_only=True)
    record = {key: value for key, value in content.get("astrid", {}).items() if key not in ("stages", "digests")}
    return digest_of({"weights": dict(content["state_dict"]), "record": record})


def _of_bytes(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _plain(value: Any) -> Any:
    return value.tobytes().hex() if isinstance(value, np.ndarray) else value
