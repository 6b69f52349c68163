"""One pair of ``astrid recover``: subtracted in every way, in whatever process; what was found is kept as a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from astrid_ml.errors import UserError
from astrid_ml.files import whole
from astrid_ml.fingerprint import fingerprint
from astrid_ml.pipeline.parts import PARTS, Part, mark_of
from astrid_ml.preprocessing.differencing.commands.recovery import Recovery, recover
from astrid_ml.preprocessing.differencing.frame.image import Image
from astrid_ml.preprocessing.differencing.frame.load import Frame
from astrid_ml.preprocessing.differencing.frame.manifest import frame_files, said_of_frames
from astrid_ml.preprocessing.differencing.frame.pair import Pair
from astrid_ml.preprocessing.differencing.frame.truth import placed, truth_table
from astrid_ml.preprocessing.differencing.pipeline import DifferencingPipeline
from astrid_ml.preprocessing.differencing.stars.psf import GivenPsf
from astrid_ml.preprocessing.differencing.stars.select import find_sources

Inject = Callable[[Image, torch.Tensor, int], tuple[Image, pd.DataFrame]]


@dataclass(frozen=True)
class PairToRecover:
    """A pair, and where its sources go.

    Args:
        pair: of the manifest.
        seed: of the sources that are injected; None takes the pair's truth.
        mark: of its file, below ``parts/``.
    """

    pair: Pair
    seed: int | None = None
    mark: str = ""


@dataclass(frozen=True)
class RecoverPair:
    """The work of ``astrid recover``.

    Args:
        pipeline: loads the frames, and measures the PSF of what is injected.
        ways: that are compared.
        inject: puts sources into an image.
        radius: px; of detections to the truth.
        bright: flux of stars near which false positives are counted apart.
        folder: of the results.
    """

    pipeline: DifferencingPipeline
    ways: Mapping[str, DifferencingPipeline]
    inject: Inject
    radius: float
    bright: float
    folder: Path

    def __call__(self, item: PairToRecover) -> tuple[dict[str, Any], list[Path]]:
        """Subtract a pair in every way.

        Returns:
            ``ways`` (way -> counts and figures of blank sky), ``failed`` (way -> reason), ``without_psfs`` (whether
            there was a way that needs PSFs which the pair does not bring); and the file with the sources of all ways.
        """
        science, reference, truth, before = self._case(item)
        done: dict[str, Recovery] = {}
        failed: dict[str, str] = {}
        without = False
        for name, way in self.ways.items():
            if isinstance(way.psf, GivenPsf) and (science.psf is None or reference.psf is None):
                without = True
                continue
            try:
                own = None if before is None else way(before, reference).candidates
                done[name] = recover(way(science, reference), truth, self.radius, self.bright, own=own)
            except UserError as error:
                failed[name] = str(error)
        said = {name: {"counts": part.counts, "blank_sky": part.blank_sky} for name, part in done.items()}
        result = {"ways": said, "failed": failed, "without_psfs": without}
        if not done:
            return result, []
        path = sources_of(self.folder, item.mark)
        joined = pd.concat([part.sources.assign(**{WAY: name}) for name, part in done.items()], ignore_index=True)
        with whole(path) as at:
            joined.to_parquet(at, index=False)
        return result, [path]

    def _case(self, item: PairToRecover) -> tuple[Image, Image, pd.DataFrame, Image | None]:
        """Both images, the sources that are to be found, and the science image before they were put in."""
        load, pair = self.pipeline.loader(), item.pair
        science, reference = load(Frame(**pair.science)), load(Frame(**pair.reference))
        if item.seed is None:
            return science, reference, placed(truth_table(str(pair.truth)), science), None
        flat = self.pipeline.flat(science)
        found = find_sources(flat)
        estimate = self.pipeline.psf(flat, found, self.pipeline.stars(flat, found))
        psf = estimate.psf if estimate.psf.ndim == 2 else estimate.psf.mean((0, 1))
        changed, truth = self.inject(science, psf, item.seed)
        return changed, reference, truth, science


WAY = "astrid.way"  # a column beside those of the user's truth


def parts_of(pairs: Sequence[PairToRecover], settings: Any, roots: Sequence[Path]) -> list[Part]:
    """The pieces of work: a pair each.

    Args:
        pairs: in their order.
        settings: that decide the results of all.
        roots: files are known by their place below these.
    """
    own, parts = fingerprint(settings), []
    for item in pairs:
        pair = item.pair
        files = [*frame_files(pair.science), *frame_files(pair.reference)]
        files += [Path(pair.truth)] if pair.truth is not None and item.seed is None else []
        part = Part(pair.name, None, tuple(files), decides=[said_of_frames(pair), item.seed])
        parts.append(replace(part, item=replace(item, mark=mark_of(part, own, roots))))
    return parts


def sources_of(folder: Path, mark: str) -> Path:
    """Where the sources of a pair are kept.

    Args:
        folder: of the results.
        mark: of the pair.
    """
    return folder / PARTS / f"{mark}.parquet"


def recoveries(result: Mapping[str, Any], path: Path) -> dict[str, Recovery]:
    """What a pair left, by the way of subtracting.

    Args:
        result: what was said of it.
        path: its sources.
    """
    if not result["ways"]:
        return {}
    table, out = pd.read_parquet(path), {}
    for name, said in result["ways"].items():
        sources = table[table[WAY] == name].drop(columns=WAY).reset_index(drop=True)
        blank = {figure: float("nan") if value is None else value for figure, value in said["blank_sky"].items()}
        out[name] = Recovery(sources, said["counts"], blank)
    return out
