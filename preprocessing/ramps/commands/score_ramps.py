"""``astrid score-ramps``: two-point, likelihood, network and fusion on exposures with truth, of any generator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from astrid_ml.devices import device_of
from astrid_ml.errors import UserError
from astrid_ml.evaluation.bootstrap import Bootstrap
from astrid_ml.executors.contract import Executor
from astrid_ml.executors.local import Serial
from astrid_ml.files import write_json
from astrid_ml.fingerprint import file_hash
from astrid_ml.found import none_in
from astrid_ml.pipeline.parts import do_parts, forget_other_parts, in_short, said_of_share
from astrid_ml.pipeline.shards import share_of
from astrid_ml.preprocessing.ramps.commands.predict import network_of, refusal
from astrid_ml.preprocessing.ramps.commands.score_exposure import Scored, ScoreExposure, claims_of, parts_of
from astrid_ml.preprocessing.ramps.exposure.exposure import Processing
from astrid_ml.preprocessing.ramps.fusion.plain import NONE, SHIPPED, plain_fusion
from astrid_ml.preprocessing.ramps.fusion.windows import Windows
from astrid_ml.preprocessing.ramps.judge.methods import own_thresholds
from astrid_ml.preprocessing.ramps.judge.summary import Comparison
from astrid_ml.preprocessing.ramps.readers.auto import is_ramp_file, maps_of
from astrid_ml.preprocessing.ramps.readers.options import RampOptions
from astrid_ml.types import Count, Device, Existing, Level, Seed
from astrid_ml.walk import walk

FORM = 2  # of what is kept of an exposure: raised when the same files and settings give something else


@dataclass(frozen=True)
class ScoreRampsCommand:
    """Compare methods on exposures beside which their truth stands.

    The truth of ``<stem>.fits`` (or ``.npy``) is ``<stem>_truth.npz``: ``integration, group, y, x, type, event,
    charge`` (e-) of every step, ``read_noise`` (e-), and optionally ``settings`` (JSON with ``dark`` and ``flux`` in
    e-/s, for the bias of the slopes); and ``<stem>_events.parquet``: for snowballs ``type, integration, group, y, x,
    radius``.

    Args:
        input: a file, a folder (walked through), or several.
        output_dir: gets ``score.json`` and the figures.
        ckpt_path: ``best.ckpt`` of a ramp experiment; None: no network.
        load: what the headers do not say.
        processing: correction and detectors.
        windows: in which the network sees the exposure.
        precision: the network's.
        trust: classes outside this project that the checkpoint may name.
        replicates: bootstrap draws of exposures for the intervals.
        seed: of those draws.
        level: of the intervals.
        executor: where the exposures are scored; None is one after the other in this process.
        shard: ``i/n`` scores every n-th exposure from the i-th on; ``join`` judges what shards scored.
        device: where the network computes: auto, cpu, cuda or cuda:N.
        fusion: of no checkpoint: ``shipped``, a file of weights, or ``none``.
    """

    input: str | Sequence[str]
    output_dir: str
    ckpt_path: Existing | None = None
    load: RampOptions = field(default_factory=RampOptions)
    processing: Processing = field(default_factory=Processing)
    windows: Windows = field(default_factory=Windows)
    precision: str = "auto"
    trust: Sequence[str] = ()
    replicates: Count = 500
    seed: Seed = 0
    level: Level = 0.95
    executor: Executor | None = None
    shard: str | None = None
    device: Device = "cpu"
    fusion: str = SHIPPED

    def run(self) -> dict[str, Any]:
        """Score each exposure that is not scored, and judge all; one that fails is named, and the others go on.

        Raises:
            UserError: there are no exposures with truth, or none that can be scored.
        """
        share = share_of(self.shard)
        trust = tuple(self.trust)
        # A wrong checkpoint, and a device that is not there, are refused before any work.
        device_of(self.device)
        network = None if self.ckpt_path is None else network_of(self.ckpt_path, self.precision, trust, self.device)
        plain_fusion(self.fusion)
        files, output = self._files(), Path(self.output_dir)
        roots = [Path(place) for place in ([self.input] if isinstance(self.input, str) else self.input)]
        settings = self._settings()
        parts = parts_of(files, settings, roots)
        output.mkdir(parents=True, exist_ok=True)
        work = ScoreExposure(
            output,
            self.load,
            self.processing,
            self.windows,
            self.ckpt_path,
            self.precision,
            trust,
            self.device,
            self.fusion,
        )
        results = do_parts(
            work,
            parts,
            output,
            settings=settings,
            executor=self.executor or Serial(),
            share=share,
            what="scoring",
            roots=roots,
        )
        if results is None:
            return {**said_of_share(output, share), "output_dir": self.output_dir}
        joined = Scored()
        for part, result in zip(parts, results, strict=True):
            if isinstance(result, dict):
                joined.add(result, claims_of(output, part.item.mark))
        lost = [(path, error) for path, error in zip(files, results, strict=True) if isinstance(error, Exception)]
        forget_other_parts(output, {part.item.mark for part in parts})
        if not joined.scores:
            raise refusal(lost[0][1]) from lost[0][1]
        return self._judged(joined, own_thresholds(network, self.processing, self.fusion != NONE), lost)

    def _judged(
        self, joined: Scored, thresholds: dict[str, float], lost: Sequence[tuple[Path, Exception]]
    ) -> dict[str, Any]:
        """Write what all exposures say together; returns what is printed."""
        comparison = Comparison(joined.scores, thresholds, Bootstrap(self.replicates, self.seed, self.level))
        result = comparison.summary() | {
            "lists": {name: kept.summary() for name, kept in joined.lists.items()},
            "cleaned_slopes": joined.slopes.summary(),
            "warnings": joined.warnings,
        }
        if lost:
            result["failed"] = [{"file": str(path), "reason": in_short(error)} for path, error in lost]
        output = Path(self.output_dir)
        write_json(output / "score.json", result)
        from astrid_ml.preprocessing.ramps.judge.figures import save_figures

        figures = save_figures(comparison, result, output)
        said = {"exposures": len(joined.scores), "failed": len(lost), "score": str(output / "score.json")}
        return said | {"figures": [str(path) for path in figures]}

    def _settings(self) -> list[Any]:
        """What decides the claims on all exposures."""
        network = None if self.ckpt_path is None else [file_hash(Path(self.ckpt_path)), self.precision]
        plain = plain_fusion(self.fusion)
        without = None if plain is None else plain.to_plain()
        decides = [self.load, self.processing, self.windows, network, without]
        return ["score-ramps", FORM, *decides, *maps_of(self.load)]

    def _files(self) -> list[Path]:
        """Every exposure: one without its truth is named, unless none has any."""
        files = walk(self.input, is_ramp_file)
        if not any(Path(f"{path.with_suffix('')}_truth.npz").is_file() for path in files):
            raise UserError(
                "exposures with their truth beside them (<stem>_truth.npz)",
                none_in(self.input),
                "make some: astrid simulate what=ramps simulate.n=8 output_dir=sim",
            )
        return files
