"""``predict.py task=ramps``: exposures through rules and likelihood, without a checkpoint."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from astrid_ml.errors import UserError
from preprocessing.ramps.outputs import (
    detections,
    prediction_mask,
    with_probability,
    write_json,
    write_mask,
    write_table,
)
from preprocessing.ramps.process import Processing, process
from preprocessing.ramps.readers.auto import is_ramp_file, read_ramp
from preprocessing.ramps.readers.options import RampOptions


@dataclass(frozen=True)
class PredictRamps:
    """Detect anomalies in exposures.

    Args:
        input: a file, a folder (walked through), or several of them.
        output_dir: gets a folder for each exposure and ``report.json``.
        load: what the headers do not say.
        processing: correction and detectors.
        ckpt_path: must be None: no checkpoint of this project is one of this task.
    """

    input: str | Sequence[str]
    output_dir: str
    load: RampOptions = field(default_factory=RampOptions)
    processing: Processing = field(default_factory=Processing)
    ckpt_path: str | None = None

    def run(self) -> dict[str, Any]:
        """Process each exposure; one that fails is named in the report and the others go on."""
        if self.ckpt_path is not None:
            raise UserError("task=ramps without a checkpoint", str(self.ckpt_path), "leave ckpt_path out")
        files = self._files()
        output = Path(self.output_dir)
        output.mkdir(parents=True, exist_ok=True)
        done: list[dict[str, Any]] = []
        failed: list[dict[str, str]] = []
        for path in files:
            try:
                done.append(self.exposure(path, output))
            except UserError as error:
                if len(files) == 1:
                    raise
                failed.append({"file": str(path), "reason": str(error)})
        write_json(output / "report.json", {"exposures": done, "failed": failed})
        return {"exposures": len(done), "failed": len(failed), "output_dir": str(output)}

    def _files(self) -> list[Path]:
        given = [self.input] if isinstance(self.input, str) else list(self.input)
        files: list[Path] = []
        for path in map(Path, given):
            files += sorted(p for p in path.rglob("*") if is_ramp_file(p)) if path.is_dir() else [path]
        if not files:
            raise UserError("input with FITS or .npy ramps", f"none in {', '.join(map(str, given))}", "check the path")
        return files

    def exposure(self, path: Path, output: Path) -> dict[str, Any]:
        """Process one file into ``<output>/<exposure>/``; returns its counts."""
        ramp = read_ramp(path, self.load)
        folder = output / ramp.name
        folder.mkdir(parents=True, exist_ok=True)
        processed = process(ramp, self.processing, folder / f"{ramp.name}_processed.npy")
        if processed.counts["pixels_unusable"] == processed.counts["pixels"]:
            raise UserError(
                "pixels with a usable ramp", "all are saturated, flagged or NaN", "check the unit and the DQ"
            )
        usable = processed.counts["pixels"] - processed.counts["pixels_unusable"]
        processed = replace(processed, jumps=with_probability(processed.jumps, usable * (ramp.shape[1] - 1)))
        gain = float(np.mean(ramp.gain))
        events = detections(processed, gain, float(np.mean(ramp.steps)), self.processing.config)
        mask = prediction_mask(processed, (ramp.shape[2], ramp.shape[3]))
        write_mask(folder, mask)
        write_table(folder / "jumps.parquet", processed.jumps)
        temporary = folder / f".{ramp.name}_temporal.npz"
        np.savez_compressed(temporary, **dict(processed.features))  # type: ignore[arg-type]
        os.replace(temporary, folder / f"{ramp.name}_temporal.npz")
        write_json(folder / "detections.json", events)
        kinds = {kind: sum(event["type"] == kind for event in events) for kind in sorted({e["type"] for e in events})}
        return {
            "file": str(path),
            "name": ramp.name,
            "jumps": len(processed.jumps),
            "events": kinds,
            **processed.counts,
        }
