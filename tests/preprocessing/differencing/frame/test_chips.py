"""Files of several chips are taken apart, those of one image are not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.differencing.commands.difference import DifferenceCommand
from astrid_ml.preprocessing.differencing.frame.chips import by_chip, chips_of
from astrid_ml.preprocessing.differencing.frame.load import Frame, LoadFits
from astrid_ml.preprocessing.differencing.frame.manifest import find_pairs
from astrid_ml.preprocessing.differencing.frame.pair import Pair, said_of


def _image(seed: int, shift: float, size: int = 200) -> tuple[np.ndarray, fits.Header]:
    """A field of stars, the same for each seed and image, with noise of its own."""
    places, noise = np.random.default_rng(seed), np.random.default_rng([seed, int(shift * 10)])
    y, x = np.mgrid[:size, :size]
    data = noise.normal(100, 5, (size, size))
    for px, py, flux in zip(*places.uniform(10, size - 10, (2, 60)), places.uniform(2e3, 2e4, 60), strict=True):
        data += flux / (2 * np.pi * 2.25) * np.exp(-((x - px) ** 2 + (y - py) ** 2) / 4.5)
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.crpix = ["RA---TAN", "DEC--TAN"], [150.0 + seed, 2.0], [100, 100]
    wcs.wcs.cdelt = [-1 / 3600, 1 / 3600]
    return data.astype(np.float32), wcs.to_header()


def _mosaic(path: Path, names: list[str], shift: float, **cards: list[Any]) -> Path:
    hdus: list[Any] = [fits.PrimaryHDU(header=fits.Header({"GAIN": 2.0, "EXPTIME": 30.0}))]
    for number, name in enumerate(names):
        data, header = _image(number, shift)
        header.update({key: values[number] for key, values in cards.items()})
        word, _, version = name.partition(",")
        hdus.append(fits.ImageHDU(data, header, word, ver=int(version or 1)))
    fits.HDUList(hdus).writeto(path)
    return path


@pytest.mark.parametrize(
    ("names", "cards", "expected"),
    [
        (["N1", "S29"], {}, ["N1", "S29"]),
        (["SCI,1", "SCI,2"], {}, ["SCI,1", "SCI,2"]),
        (["SCI,1", "ERR,1", "DQ,1"], {}, []),
        (["A", "B"], {"CCDNUM": [1, 2]}, ["A", "B"]),
        (["A", "B"], {"CCDNUM": [1, 1]}, []),
        (["A", "BACKGROUND"], {}, []),
        (["A"], {}, []),
    ],
)
def test_what_a_chip_is(tmp_path: Path, names: list[str], cards: dict[str, Any], expected: list[str]) -> None:
    path = _mosaic(tmp_path / "a.fits", names, 0, **cards)
    assert chips_of({"path": str(path)}) == expected
    assert chips_of({"path": f"{path}[1]"}) == [] and chips_of({"path": str(tmp_path / "absent.fits")}) == []


def test_a_damaged_second_extension_is_said_when_its_frame_is_read(tmp_path: Path) -> None:
    """Its first card without its quotes: the look for chips goes over all pairs before any of them is read."""
    path = _mosaic(tmp_path / "a.fits", ["A", "B"], 0)
    content = bytearray(path.read_bytes())
    place = content.rindex(b"XTENSION")
    content[place + 10] = 0x20
    path.write_bytes(content)
    assert chips_of({"path": str(path)}) == []
    with pytest.raises(UserError, match=r"a\.fits"):
        LoadFits(need_wcs=False)(Frame(f"{path}[B]"))


def test_chips_of_a_manifest(tmp_path: Path) -> None:
    science = _mosaic(tmp_path / "s.fits", ["ccd1", "ccd2", "ccd3"], 0)
    reference = _mosaic(tmp_path / "r.fits", ["ccd3", "ccd2"], 1)
    _mosaic(tmp_path / "noise.fits", ["ccd1", "ccd2", "ccd3"], 2)
    (tmp_path / "manifest.csv").write_text("science,reference,science_noise\ns.fits,r.fits,noise.fits\n")
    pairs = find_pairs([tmp_path])
    assert [pair.name for pair in pairs] == ["s-CCD2", "s-CCD3"]
    assert [pair.science["ext"] for pair in pairs] == [pair.reference["ext"] for pair in pairs] == ["CCD2", "CCD3"]
    assert pairs[0].science["noise"] == f"{tmp_path / 'noise.fits'}[CCD2]"
    alone = by_chip([Pair("x", {"path": str(science)}, {"path": f"{reference}[1]", "gain": 2.0})])
    assert [pair.science["ext"] for pair in alone] == ["CCD1", "CCD2", "CCD3"]
    assert all(pair.reference == {"path": f"{reference}[1]", "gain": 2.0} for pair in alone)
    other = _mosaic(tmp_path / "o.fits", ["N1", "N2"], 1)
    with pytest.raises(UserError, match=r"name one of each as FILE\[EXT\]"):
        by_chip([Pair("x", {"path": str(science)}, {"path": str(other)})])


def test_two_mosaics_are_subtracted_chip_by_chip(tmp_path: Path) -> None:
    paths = [str(_mosaic(tmp_path / f"{name}.fits", ["N1", "N2"], shift)) for name, shift in (("s", 1.0), ("r", 2.0))]
    frames = [Frame(path) for path in paths]
    assert said_of(frames[0]) == {"path": paths[0]}
    DifferenceCommand(frames[0], frames[1], str(tmp_path / "out")).run()
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert (report["pairs"], report["failed"]) == (2, 0)
    for chip in ("N1", "N2"):
        quality = json.loads((tmp_path / "out" / f"s-{chip}" / "quality.json").read_text())
        assert quality["header_science"]["read"]["gain"] == "GAIN"
        assert quality["header_reference"]["unknown"]["mission"]
