"""``predict.py task=ramps``: exposures through rules and likelihood, and through a network where one is given."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from astrid_ml.described.columns import TableMeaning
from astrid_ml.described.formats import formats_of, write_described
from astrid_ml.errors import UserError
from astrid_ml.executors.contract import Executor
from astrid_ml.executors.local import Serial
from astrid_ml.files import discard, whole, whole_folder, write_json
from astrid_ml.fingerprint import file_hash
from astrid_ml.found import none_in
from astrid_ml.pipeline.parts import PARTS, Part, do_parts, in_short, said_of_share
from astrid_ml.pipeline.shards import SHARDS, share_of
from astrid_ml.places import distinct_names, stem_of
from astrid_ml.preprocessing.ramps.exposure.exposure import Exposure, Processing
from astrid_ml.preprocessing.ramps.exposure.limits import nothing_usable, saturation_warnings
from astrid_ml.preprocessing.ramps.exposure.lists import (
    detections,
    left_out,
    listed_steps,
    prediction_mask,
    with_probability,
    write_mask,
)
from astrid_ml.preprocessing.ramps.exposure.process import process
from astrid_ml.preprocessing.ramps.exposure.processed import Processed
from astrid_ml.preprocessing.ramps.exposure.sanity import SanityBounds, examine
from astrid_ml.preprocessing.ramps.fusion.network import RampNetwork
from astrid_ml.preprocessing.ramps.fusion.plain import SHIPPED, plain_fusion
from astrid_ml.preprocessing.ramps.fusion.showers import with_showers
from astrid_ml.preprocessing.ramps.fusion.shown_noise import noise_warnings
from astrid_ml.preprocessing.ramps.fusion.windows import Windows
from astrid_ml.preprocessing.ramps.products.write import PipelineFiles, write_products
from astrid_ml.preprocessing.ramps.ramp.patches_hdf5 import SUFFIX as PATCHES
from astrid_ml.preprocessing.ramps.ramp.ramp import Ramp
from astrid_ml.preprocessing.ramps.readers.auto import exposures_in, files_of, maps_of, read_ramp
from astrid_ml.preprocessing.ramps.readers.options import RampOptions
from astrid_ml.readable import quiet
from astrid_ml.reasons import told
from astrid_ml.types import Existing

FORM = 4  # of what is written: raised when the same exposure and settings give something else
LAST = "detections.json"  # of an exposure's folder
MOST_TOLD = 10  # exposures that failed, of which the terminal says why


@dataclass(frozen=True)
class PredictRamps:
    """Detect anomalies in exposures.

    Args:
        input: a file, a folder (walked through), or several of them.
        output_dir: gets a folder for each exposure and ``report.json``.
        load: what the headers do not say.
        processing: correction and detectors.
        products: files that go back into pipelines.
        sanity: what an exposure may show before its probabilities are withheld.
        ckpt_path: ``best.ckpt`` of a ramp experiment; None: no network.
        windows: in which the network sees the exposure.
        precision: the network's: fp32, bf16, or auto (bf16 where the processor computes in it).
        trust: classes outside this project that the checkpoint may name.
        executor: where the exposures are processed; None is one after the other in this process.
        shard: ``i/n`` processes every n-th exposure from the i-th on; ``join`` reports on what shards did.
        device: where the network computes: auto, cpu, cuda or cuda:N.
        format: of ``jumps`` beside parquet: ecsv, votable, fits.
        fusion: that decides where there is no checkpoint: ``shipped``, a file of weights, or ``none``, which leaves
            rules and likelihood alone.
    """

    input: str | Sequence[str]
    output_dir: str
    load: RampOptions = field(default_factory=RampOptions)
    processing: Processing = field(default_factory=Processing)
    products: PipelineFiles = field(default_factory=PipelineFiles)
    sanity: SanityBounds = field(default_factory=SanityBounds)
    ckpt_path: Existing | None = None
    windows: Windows = field(default_factory=Windows)
    precision: str = "auto"
    trust: Sequence[str] = ()
    executor: Executor | None = None
    shard: str | None = None
    device: str = "cpu"
    format: str | list[str] | None = None
    fusion: str = SHIPPED

    def run(self) -> dict[str, Any]:
        """Process each exposure that is not done; one that fails is named in the report and the others go on."""
        share = share_of(self.shard)
        formats_of(self.format)
        files = self._files()
        if self.ckpt_path is not None:  # a wrong one is refused before any work
            network_of(self.ckpt_path, self.precision, tuple(self.trust), self.device)
        plain_fusion(self.fusion)
        output = Path(self.output_dir)
        output.mkdir(parents=True, exist_ok=True)
        results = do_parts(
            self._exposure,
            [self._part(path, name) for path, name in zip(files, self._names(files), strict=True)],
            output,
            settings=self._settings(),
            executor=self.executor or Serial(),
            share=share,
            what="predicting",
            roots=[Path(place) for place in ([self.input] if isinstance(self.input, str) else self.input)],
        )
        if results is None:
            return {**said_of_share(output, share), "output_dir": str(output)}
        done = [result for result in results if isinstance(result, dict)]
        lost = [(path, error) for path, error in zip(files, results, strict=True) if isinstance(error, Exception)]
        if len(files) == 1 and lost:
            raise refusal(lost[0][1]) from lost[0][1]
        failed = [{"file": str(path), "reason": in_short(error)} for path, error in lost]
        warned = [entry["warning"] for entry in done if "warning" in entry]
        marked = [{"file": entry["file"], "reason": "; ".join(entry["unsound"])} for entry in done if entry["unsound"]]
        report = {"exposures": done, "failed": failed, "unsound": marked, "warnings": warned}
        write_json(output / "report.json", report)
        # What is not sound is there to be looked at, but nobody may take it for a result: exit code 1.
        bad = failed + marked
        summary: dict[str, Any] = {"exposures": len(done), "failed": len(bad), "output_dir": str(output)}
        if bad:
            lines = [f"{Path(entry['file']).name}: {entry['reason']}" for entry in bad]
            summary["failed_files"] = list(told(lines, MOST_TOLD, str(output / "report.json")))
        return summary | ({"warnings": list(told(warned, MOST_TOLD, str(output / "report.json")))} if warned else {})

    def _part(self, path: Path, name: str) -> Part:
        return Part(name, (path, name), files_of(path))

    def _settings(self) -> list[Any]:
        """What decides the results of all exposures."""
        plain = plain_fusion(self.fusion) if self.ckpt_path is None else None
        fusion = None if plain is None else plain.to_plain()
        network = None if self.ckpt_path is None else [file_hash(Path(self.ckpt_path)), self.windows, self.precision]
        decides = [self.load, self.processing, self.products, self.sanity, network, fusion]
        return ["ramps", FORM, *decides, list(formats_of(self.format)), *maps_of(self.load)]

    def _names(self, files: Sequence[Path]) -> list[str]:
        """A folder for each file: what readers name it by, and where several have one name, one that tells them apart.

        Names that the report and the notes of finished exposures have are no exposure's.
        """
        shared = Counter(_short(path) for path in files)
        distinct = zip(files, distinct_names(files), strict=True)
        names = [name if shared[_short(path)] > 1 else read_as(path) for path, name in distinct]
        return [f"{name}-exposure" if name.casefold() in (PARTS, SHARDS) else name for name in names]

    def _files(self) -> list[Path]:
        files = exposures_in(self.input, self.load)
        if not files:
            raise UserError("input with ramps", none_in(self.input), "check the path")
        return files

    def _exposure(self, given: tuple[Path, str]) -> tuple[dict[str, Any], list[Path]]:
        """One exposure in whatever process: its counts, and the files of its folder."""
        path, name = given
        trust = tuple(self.trust)
        network = network_of(self.ckpt_path, self.precision, trust, self.device) if self.ckpt_path is not None else None
        with quiet():
            counts = self.exposure(path, Path(self.output_dir), network, name)
        return counts, [file for file in sorted((Path(self.output_dir) / name).iterdir()) if file.is_file()]

    def exposure(self, path: Path, output: Path, network: RampNetwork | None = None, name: str = "") -> dict[str, Any]:
        """Process one file into ``<output>/<exposure>/``, which appears whole; returns its counts.

        Args:
            path: of the exposure.
            output: gets its folder.
            network: refines what rules and likelihood found.
            name: of the exposure; empty: the one that its reader gives.
        """
        ramp = read_ramp(path, self.load)
        if name:
            ramp = replace(ramp, name=name)
        target = output / ramp.name
        if (target / LAST).is_file() or (target.is_dir() and not any(target.iterdir())):
            discard(target)  # of other settings, or of an exposure that has changed
        elif target.exists():
            raise UserError(
                "a folder of its own for the exposure", f"{target} with something else", "choose another output_dir"
            )
        with whole_folder(target, LAST) as folder:
            processed, warning = self._processed(ramp, folder, network)
            processed = with_showers(processed, np.load(folder / f"{ramp.name}_processed.npy", mmap_mode="r"))
            said = self._write(folder, ramp.name, processed)
            cube = np.load(folder / f"{ramp.name}_processed.npy", mmap_mode="r")
            warnings = [*([warning] if warning else []), *saturation_warnings(processed, cube)]
            warnings += noise_warnings(processed)
        return {
            "file": str(path),
            "name": ramp.name,
            "jumps": len(processed.jumps),
            **said,
            **processed.counts,
            **({"notes": list(ramp.notes)} if ramp.notes else {}),
            **({"warning": "; ".join(warnings)} if warnings else {}),
        }

    def _processed(self, ramp: Ramp, folder: Path, network: RampNetwork | None) -> tuple[Processed, str | None]:
        """What is found in an exposure, and a warning where network or fusion was fitted on another cadence."""
        cube = folder / f"{ramp.name}_processed.npy"
        processed = process(Exposure(ramp, self.processing), cube)
        if processed.counts["pixels_unusable"] == processed.counts["pixels"]:
            raise nothing_usable(processed.exposure)
        plain = plain_fusion(self.fusion) if network is None else None
        outside = plain.outside(ramp) if plain is not None else None
        if plain is not None and outside is None:
            return plain.refine(processed, np.load(cube, mmap_mode="r")), None
        if network is None:
            usable = processed.counts["pixels"] - processed.counts["pixels_unusable"]
            warning = f"{ramp.name}: likelihood and rules alone decide; {outside}" if outside else None
            return replace(processed, jumps=with_probability(processed.jumps, usable * (ramp.shape[1] - 1))), warning
        return network.refine(processed, np.load(cube, mmap_mode="r"), self.windows), network.cadence_warning(ramp)

    def _write(self, folder: Path, name: str, processed: Processed) -> dict[str, Any]:
        """Write all lists, maps and products; returns counts of events, and why the exposure is not sound."""
        cube = np.load(folder / f"{name}_processed.npy", mmap_mode="r")
        sanity = examine(processed, cube, self.sanity)
        write_json(folder / "sanity.json", sanity.plain())
        if not sanity.sound:
            from astrid_ml.preprocessing.ramps.exposure.sanity_figure import sanity_figure

            groups = processed.exposure.ramp.shape[1]
            figure = sanity_figure(sanity.plain(), processed.features, processed.fitted, groups, name)
            with whole(folder / "sanity.png") as part:
                figure.savefig(part, dpi=110)
        write_mask(folder, prediction_mask(processed))
        write_products(folder, processed, cube, self.products)
        steps, events, others = listed_steps(processed), detections(processed), left_out(processed)
        if sanity.withheld is not None:
            steps["probability"] = np.float32(np.nan)
            for event in events + others:
                event |= {"confidence": None, "withheld": sanity.withheld}
        meaning = TableMeaning("jumps")
        write_described(steps, folder / "jumps.parquet", meaning, formats_of(self.format))
        with whole(folder / f"{name}_temporal.npz") as part:
            np.savez_compressed(part, **dict(processed.features))  # type: ignore[arg-type]
        write_json(folder / "left_out.json", others)
        write_json(folder / LAST, events)
        counts = {"events": _counted(events, "type"), "left_out": _counted(others, "left_out_by")}
        return counts | {"lone_falls": len(processed.falls), "unsound": list(sanity.reasons)}


def _counted(events: Sequence[Mapping[str, Any]], key: str) -> dict[str, int]:
    return dict(sorted(Counter(str(event[key]) for event in events).items()))


@lru_cache(maxsize=1)
def network_of(path: str, precision: str, trust: tuple[str, ...], device: str = "cpu") -> RampNetwork:
    """The network of a checkpoint, loaded once a process.

    Args:
        path: of the checkpoint.
        precision: of the network.
        trust: classes outside this project that it may name.
        device: where it computes.
    """
    return RampNetwork.load(path, precision, trust, device)


def read_as(path: Path) -> str:
    """The name that readers give an exposure."""
    return path.name.removesuffix(PATCHES) if path.name.endswith(PATCHES) else stem_of(path)


def refusal(error: Exception) -> UserError:
    """What to say of the only exposure that was given, and failed."""
    if isinstance(error, UserError):
        return error
    return UserError("an exposure that can be processed", in_short(error), "check the file, or raise executor.limits")


def _short(path: Path) -> str:
    """What readers name an exposure by; some file systems do not tell A from a."""
    return read_as(path).casefold()
