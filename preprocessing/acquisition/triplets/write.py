"""The files of labelled triplets: stamps and tables, pictures for the eye, masks of the supernova's place."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from astropy.io import fits

from astrid_ml.files import save_array, whole
from astrid_ml.preprocessing.acquisition.triplets.label import Labelled, LabelTriplets
from astrid_ml.preprocessing.acquisition.triplets.subtracted import SubtractedPair
from astrid_ml.stats import robust_sigma
from astrid_ml.table_files import write_table

TRIPLETS, SKY, PICTURES, MASKS, EPOCHS = "training_triplets", "sky_triplets", "pictures", "position_masks", "epochs"
FOLDERS = (TRIPLETS, SKY, PICTURES, MASKS, EPOCHS)


def write_labelled(labelled: Labelled, name: str, folder: Path) -> list[Path]:
    """Write stamps and their table, where there are any, and the measurements at the supernova's place.

    Args:
        labelled: of one supernova.
        name: of its files.
        folder: of the output; ``training_triplets`` and ``sky_triplets`` are apart, so that nobody mixes them.

    Returns:
        The files.
    """
    made = []
    for place, rows, stamps in ((TRIPLETS, labelled.rows, labelled.stamps), (SKY, *labelled.sky)):
        paths = [folder / place / f"{name}_triplets.{ending}" for ending in ("npy", "parquet")]
        if not len(rows):
            for path in paths:
                path.unlink(missing_ok=True)  # of an earlier run
            continue
        paths[0].parent.mkdir(exist_ok=True)
        save_array(paths[0], stamps)
        write_table(rows, paths[1])
        made += paths
    path = folder / EPOCHS / f"{name}.parquet"
    path.parent.mkdir(exist_ok=True)
    write_table(labelled.epochs, path)
    return [*made, path]


def write_extras(
    labelled: Labelled, pairs: Iterable[SubtractedPair], rules: LabelTriplets, name: str, folder: Path
) -> list[Path]:
    """Write what was asked for beside the triplets.

    Args:
        labelled: of one supernova.
        pairs: its subtracted pairs.
        rules: say what was asked for.
        name: of the supernova's files.
        folder: of the output.

    Returns:
        The files.
    """
    made = []
    for pair in pairs if rules.position_masks or rules.pictures else ():
        at = labelled.epochs[labelled.epochs["pair"] == pair.name] if len(labelled.epochs) else labelled.epochs
        if not len(at):
            continue
        x, y = float(at["x"].iloc[0]), float(at["y"].iloc[0])
        if rules.position_masks:
            made.append(_write_mask(pair, x, y, folder / MASKS / f"{pair.name}.fits"))
        real = len(labelled.rows) and (labelled.rows["id"] == f"{pair.name}-sn").any()
        if rules.pictures and real:
            size = rules.pictures + 1 - rules.pictures % 2
            triplet = pair.stamps(np.array([x]), np.array([y]), size)[0]
            title = f"{name} {pair.epoch.mission} {pair.epoch.band} S/N {float(at['snr'].iloc[0]):.1f}"
            made.append(_draw(triplet, title, folder / PICTURES / f"{pair.name}.png"))
    return made


def _write_mask(pair: SubtractedPair, x: float, y: float, path: Path) -> Path:
    """1 within an FWHM of the supernova, 0 elsewhere."""
    path.parent.mkdir(exist_ok=True)
    rows, columns = np.mgrid[: pair.planes.shape[1], : pair.planes.shape[2]]
    mask = (np.hypot(columns - x, rows - y) <= pair.fwhm).astype(np.uint8)
    with whole(path) as part:
        fits.PrimaryHDU(mask, pair.epoch.wcs.to_header()).writeto(part)
    return path


def _draw(triplet: np.ndarray[tuple[int, int, int], np.dtype[np.float32]], title: str, path: Path) -> Path:
    from matplotlib.figure import Figure

    path.parent.mkdir(exist_ok=True)
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    for axes, plane, word in zip(figure.subplots(1, 3), triplet, ("science", "reference", "difference"), strict=True):
        known = plane[np.isfinite(plane)]
        middle, sigma = (float(np.median(known)), float(robust_sigma(known))) if known.size else (0.0, 1.0)
        axes.imshow(plane, origin="lower", cmap="gray", vmin=middle - 3 * sigma, vmax=middle + 10 * sigma)
        axes.set_title(word)
        axes.set_axis_off()
    figure.suptitle(title, parse_math=False)
    with whole(path) as part:
        figure.savefig(part, dpi=100, format="png", metadata={"Software": None})
    return path
