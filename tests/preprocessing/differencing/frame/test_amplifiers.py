"""What a description says of detectors by amplifier: it counts where a header has no key for it."""

from __future__ import annotations

from typing import Any

import pytest
from astropy.io import fits

from astrid_ml.preprocessing.differencing.frame.header.amplifiers import of_amplifiers
from astrid_ml.preprocessing.differencing.frame.header.said import Said
from astrid_ml.preprocessing.differencing.frame.headers import FrameCalibration, read_calibration
from astrid_ml.preprocessing.surveys.describe import survey_of
from astrid_ml.preprocessing.surveys.registry import surveys_of

DETECTOR = {
    "gain": {"A": 2.0, "B": 3.0},
    "read_noise": {"A": 5.0, "B": 7.0},
    "saturation": {"A": 50_000, "B": 60_000},
}
MINE: dict[str, Any] = {
    "name": "MyScope", "mission": "myscope", "source": ["our own handbook"],
    "recognise": {"observatories": ["MyScope"]}, "detector": DETECTOR,
}  # fmt: skip


def read(cards: dict[str, Any], detector: dict[str, Any] | None = None) -> FrameCalibration:
    surveys = surveys_of({**MINE, "detector": detector or DETECTOR})
    return read_calibration(fits.Header({"TELESCOP": "MyScope", "EXPTIME": 30.0, **cards}), surveys=surveys)


@pytest.mark.parametrize(
    ("cards", "gain", "noise", "saturation"),
    [
        ({}, 2.5, 6.0, 50_000.0),
        ({"CCDAMP": "b"}, 3.0, 7.0, 60_000.0),
        ({"EXTNAME": "A"}, 2.0, 5.0, 50_000.0),
        ({"CCDAMP": "AB"}, 2.5, 6.0, 50_000.0),
        ({"CCDAMP": "D"}, 2.5, 6.0, 50_000.0),
        ({"CCDAMP": "B", "GAIN": 1.5, "RDNOISE": 4.0, "SATURATE": 40_000}, 1.5, 4.0, 40_000.0),
        ({"CCDAMP": "B", "BUNIT": "kADU"}, 3000.0, 7.0, 60.0),
        ({"CCDAMP": "B", "BUNIT": "electron"}, 1.0, 7.0, 180_000.0),
        ({"CCDAMP": "B", "BUNIT": "adu/s"}, 90.0, 7.0, None),
        ({"CCDAMP": "B", "BUNIT": "nJy"}, None, 7.0, None),
        ({"CCDAMP": "B", "NCOMBINE": 4, "COMBINE": "mean"}, 12.0, 14.0, 60_000.0),
        ({"CCDAMP": "B", "NCOMBINE": 4, "COMBINE": "sum"}, 3.0, 14.0, None),
    ],
)
def test_a_description_says_it_by_amplifier(
    cards: dict[str, Any], gain: float | None, noise: float, saturation: float | None
) -> None:
    found = read(cards)
    assert (found.gain, found.read_noise, found.saturation) == (gain, noise, saturation)
    said = found.account
    if "GAIN" not in cards:
        assert "as the description of MyScope says" in said.assumed["read_noise"]
        assert ("saturation" in said.unknown) == (saturation is None) == ("saturation" not in said.assumed)
    else:
        assert not {"gain", "read_noise", "saturation"} & set(said.assumed)


def test_what_was_taken_is_said() -> None:
    assert read({"CCDAMP": "b"}).account.assumed["gain"] == "that of B (CCDAMP), as the description of MyScope says"
    said = read({}).account.assumed
    assert said["saturation"].startswith("the lowest of its amplifiers") and said["gain"].startswith("the mean of")
    whole = read({"NCOMBINE": 4}, {"read_noise": {"all": 5.0}})
    assert whole.read_noise == pytest.approx(10.0) and whole.gain is None and whole.saturation is None
    assert whole.account.assumed["read_noise"].startswith("that of the detector, as the description of MyScope says; ")
    assert "in counts of one read, and the pixels are rates" in read({"BUNIT": "adu/s"}).account.unknown["saturation"]


def test_no_description_and_no_amplifier_say_nothing() -> None:
    said = Said(fits.Header())
    assert of_amplifiers(said, "gain", None, {"all": 2.0}) is None
    assert of_amplifiers(said, "gain", survey_of(MINE, "here"), {}) is None and not said.account.assumed
