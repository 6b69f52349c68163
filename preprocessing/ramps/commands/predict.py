"""``predict.py task=ramps``: exposures through rules and likelihood, and through a network where one is given."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from astrid_ml.errors import UserError
from astrid_ml.files import whole, write_json, write_table
from astrid_ml.found import none_in
from astrid_ml.places import distinct_names
from astrid_ml.preprocessing.ramps.exposure.dq import write_dq
from astrid_ml.preprocessing.ramps.exposure.exposure import Exposure, Processing
from astrid_ml.preprocessing.ramps.exposure.lists import (
    detections,
    prediction_mask,
    with_probability,
    write_mask,
)
from astrid_ml.preprocessing.ramps.exposure.process import process
from astrid_ml.preprocessing.ramps.fusion.network import RampNetwork
from astrid_ml.preprocessing.ramps.fusion.windows import Windows
from astrid_ml.preprocessing.ramps.readers.auto import is_ramp_file, read_ramp
from astrid_ml.preprocessing.ramps.readers.options import RampOptions
from astrid_ml.types import Existing
from astrid_ml.walk import walk


@dataclass(frozen=True)
class PredictRamps:
    """Detect anomalies in exposures.

    Args:
        input: a file, a folder (walked through), or several of them.
        output_dir: gets a folder for each exposure and ``report.json``.
        load: what the headers do not say.
        processing: correction and detectors.
        ckpt_path: ``best.ckpt`` of a ramp experiment; None leaves rules and likelihood alone.
        windows: in which the network sees the exposure.
        precision: the network's: fp32, bf16, or auto (bf16 where the processor computes in it).
        trust: classes outside this project that the checkpoint may name.
        device: where the network computes: auto, cpu, cuda or cuda:N.
    """

    input: str | Sequence[str]
    output_dir: str
    load: RampOptions = field(default_factory=RampOptions)
    processing: Processing = field(default_factory=Processing)
    ckpt_path: Existing | None = None
    windows: Windows = field(default_factory=Windows)
    precision: str = "auto"
    trust: Sequence[str] = ()
    device: str = "cpu"

    def run(self) -> dict[str, Any]:
        """Process each exposure; one that fails is named in the report and the others go on."""
        files = self._files()
        network = None
        if self.ckpt_path is not None:
            network = RampNetwork.load(self.ckpt_path, self.precision, self.trust, self.device)
        output = Path(self.output_dir)
        output.mkdir(parents=True, exist_ok=True)
        done: list[dict[str, Any]] = []
        failed: list[dict[str, str]] = []
        shared = Counter(_short(path) for path in files)
        for path, name in zip(files, distinct_names(files), strict=True):
            try:
                done.append(self.exposure(path, output, network, name if shared[_short(path)] > 1 else ""))
            except UserError as error:
                if len(files) == 1:
                    raise
                failed.append({"file": str(path), "reason": str(error)})
        warned = [entry["warning"] for entry in done if "warning" in entry]
        write_json(output / "report.json", {"exposures": done, "failed": failed, "warnings": warned})
        summary = {"exposures": len(done), "failed": len(failed), "output_dir": str(output)}
        return summary | ({"warnings": warned} if warned else {})

    def _files(self) -> list[Path]:
        files = walk(self.input, is_ramp_file)
        if not files:
            raise UserError("input with FITS or .npy ramps", none_in(self.input), "check the path")
        return files

    def exposure(self, path: Path, output: Path, network: RampNetwork | None = None, name: str = "") -> dict[str, Any]:
        """Process one file into ``<output>/<exposure>/``; returns its counts.

        Args:
            path: of the exposure.
            output: gets its folder.
            network: refines what rules and likelihood found.
            name: where several files of one name are processed, the one that tells this file from the others.
        """
        ramp = read_ramp(path, self.load)
        if name:
            ramp = replace(ramp, name=name)
        folder = output / ramp.name
        folder.mkdir(parents=True, exist_ok=True)
        cube = folder / f"{ramp.name}_processed.npy"
        processed = process(Exposure(ramp, self.processing), cube)
        if processed.counts["pixels_unusable"] == processed.counts["pixels"]:
            raise UserError(
                "pixels with a usable ramp", "all are saturated, flagged or NaN", "check the unit and the DQ"
            )
        if network is None:
            usable = processed.counts["pixels"] - processed.counts["pixels_unusable"]
            processed = replace(processed, jumps=with_probability(processed.jumps, usable * (ramp.shape[1] - 1)))
        else:
            processed = network.refine(processed, np.load(cube, mmap_mode="r"), self.windows)
        events = detections(processed)
        write_mask(folder, prediction_mask(processed))
        write_dq(folder / f"{ramp.name}_dq.fits", processed)
        write_table(processed.jumps, folder / "jumps.parquet")
        with whole(folder / f"{ramp.name}_temporal.npz") as part:
            np.savez_compressed(part, **dict(processed.features))  # type: ignore[arg-type]
        write_json(folder / "detections.json", events)
        kinds = {kind: sum(event["type"] == kind for event in events) for kind in sorted({e["type"] for e in events})}
        warning = network.cadence_warning(ramp) if network is not None else None
        return {
            "file": str(path),
            "name": ramp.name,
            "jumps": len(processed.jumps),
            "events": kinds,
            **processed.counts,
            **({"warning": warning} if warning else {}),
        }


def _short(path: Path) -> str:
    """What readers name an exposure by; some file systems do not tell A from a."""
    return path.name.split(".")[0].casefold()
