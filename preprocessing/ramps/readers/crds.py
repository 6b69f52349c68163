"""Reference files of JWST in a folder, such as the cache of CRDS: by the names in a header, or what they are of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from astrid_ml.errors import UserError
from astrid_ml.fits_headers import open_checked
from astrid_ml.found import found
from astrid_ml.readable import reading

# Kind -> the keyword that names its file once the pipeline has chosen one, and what must agree beside the detector.
KINDS = {
    "gain": ("R_GAIN", ()),
    "readnoise": ("R_READNO", ("READPATT",)),
    "saturation": ("R_SATURA", ()),
    "linearity": ("R_LINEAR", ()),
    "superbias": ("R_SUPERB", ("READPATT",)),
    "mask": ("R_MASK", ()),
}
MOST = 10_000  # files that are looked through for one exposure
_ANY = ("", "N/A", "ANY", "GENERIC", "FULL")


def reference_files(folder: Path, header: Mapping[str, Any]) -> dict[str, Path]:
    """Kind -> file, of those that the folder has.

    A file that the header names is taken by its name. Else it is one ``<mission>_<instrument>_<kind>_*.fits`` whose
    header has the same DETECTOR (and READPATT); of several the one of the latest USEAFTER.

    Args:
        folder: walked through.
        header: of the exposure.

    Raises:
        UserError: no folder; a file that the header names and that is not there; several that fit equally.
    """
    place = folder.expanduser()
    if not place.is_dir():
        raise UserError("a folder of reference files", found(folder), "check preprocessing.load.crds")
    files = {path.name: path for path in sorted(place.rglob("*.fits"))[:MOST]}
    instrument = str(header.get("INSTRUME", "")).strip().lower()
    out = {}
    for kind, (key, same) in KINDS.items():
        named = str(header.get(key, "")).strip().removeprefix("crds://")
        if named and named != "N/A":
            if named not in files:
                fix = "fetch it into the folder, or give the value itself"
                raise UserError(f"the file that {key} names", f"no {named} in {folder}", fix)
            out[kind] = files[named]
            continue
        start = f"jwst_{instrument}_{kind}_"
        fitting = [path for name, path in files.items() if name.lower().startswith(start)]
        chosen = _fitting(fitting, header, same)
        if chosen is not None:
            out[kind] = chosen
    return out


def _fitting(paths: list[Path], header: Mapping[str, Any], same: tuple[str, ...]) -> Path | None:
    """The one of the same detector, and of the latest day on which it came into use before the exposure."""
    day = str(header.get("DATE-OBS", "9999"))
    fit: list[tuple[str, Path]] = []
    for path in paths:
        with reading(path), open_checked(path) as hdus:
            keys = dict(hdus[0].header)
        agree = all(_alike(keys.get(key), header.get(key)) for key in ("DETECTOR", "SUBARRAY", *same))
        since = str(keys.get("USEAFTER", ""))
        if agree and since[:10] <= day[:10]:
            fit.append((since, path))
    if not fit:
        return None
    latest = [path for since, path in fit if since == max(fit)[0]]
    if len(latest) > 1:
        names = ", ".join(path.name for path in latest)
        raise UserError("one reference file that fits", names, "leave one in the folder, or name it by its own key")
    return latest[0]


def _alike(theirs: Any, ours: Any) -> bool:
    """Whether a reference file is of what an exposure is; those of everything are."""
    said = str("" if theirs is None else theirs).strip().upper()
    return said in _ANY or said == str("" if ours is None else ours).strip().upper()
