"""What a FITS header says of a frame: mission, filter, exposure, gain, zero point and the time of mid-exposure."""

from __future__ import annotations

from dataclasses import dataclass, field

from astropy.io.fits import Header

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.differencing.frame.header.exposures import exposure_of
from astrid_ml.preprocessing.differencing.frame.header.filters import filter_of
from astrid_ml.preprocessing.differencing.frame.header.fluxes import zero_point_of
from astrid_ml.preprocessing.differencing.frame.header.gains import (
    combination_of,
    detector_gain,
    gain_of,
    is_rate,
    read_noise_of,
)
from astrid_ml.preprocessing.differencing.frame.header.said import HeaderAccount, Said
from astrid_ml.preprocessing.differencing.frame.header.times import mid_exposure
from astrid_ml.preprocessing.differencing.frame.header.units import pixel_unit
from astrid_ml.preprocessing.differencing.frame.saturation import saturation_of
from astrid_ml.preprocessing.surveys.registry import Surveys, surveys_of
from astrid_ml.preprocessing.surveys.survey import FluxConvention, Survey


@dataclass(frozen=True)
class FrameCalibration:
    """Header values of one frame; None where the header is silent.

    Args:
        mission: canonical name.
        filter: as the survey's description calls it.
        gain: effective gain, e- per image unit: rates are multiplied by the exposure, means of N frames by N.
        read_noise: e- of one pixel of the whole frame, of which ``gain`` makes one image unit: of the mean or the sum
            of N reads sqrt(N) times that of one.
        zero_point: AB magnitude of one image unit.
        mjd: mid-exposure, UTC.
        time_ref: what the header held: a start, a middle, a time scale.
        exposure_time: s.
        saturation: image units.
        unit: of the pixels, as text.
        survey: whose description was used.
        account: which key gave what, and what was assumed.
    """

    mission: str | None
    filter: str | None
    gain: float | None
    read_noise: float | None
    zero_point: float | None
    mjd: float | None
    time_ref: str
    exposure_time: float | None
    saturation: float | None
    unit: str
    survey: Survey | None = None
    account: HeaderAccount = field(default_factory=HeaderAccount)


def read_calibration(
    header: Header, name: str = "", surveys: Surveys | None = None, mission: str | None = None
) -> FrameCalibration:
    """Everything that the header (primary and extension, merged) and the file's name say of the frame.

    Args:
        header: of the image.
        name: of the file.
        surveys: among which it is recognised; by default the packaged ones.
        mission: that the user named; it counts where the header does not say whose it is.

    Raises:
        UserError: a survey was given, and the header says plainly that it is another's.
    """
    surveys = surveys or surveys_of()
    said = Said(header)
    survey = _survey(said, surveys, mission, name)
    exposure = exposure_of(said, survey)
    stated = str(header.get("BUNIT", "")).strip()
    text = stated or (survey.flux.unit if survey and survey.flux.unit else "adu")
    if stated:
        said.account.read["unit"] = "BUNIT"
    else:
        said.assume("unit", text)
    unit = pixel_unit(text)
    if unit.kind == "unknown":
        said.give_up("unit", f"{text} is no unit of light")
    band = filter_of(said, survey, name)
    mjd, time_ref = mid_exposure(said, exposure.seconds, survey.time if survey else None)
    detector = detector_gain(said, survey, unit)
    flux = survey.flux if survey else FluxConvention()
    combined = combination_of(said, flux, exposure)
    gain = gain_of(said, unit, is_rate(unit, flux), exposure, detector, combined)
    found = FrameCalibration(
        mission=survey.mission if survey else None,
        filter=band,
        gain=gain,
        read_noise=read_noise_of(said, survey, detector, combined),
        zero_point=zero_point_of(said, survey, band, unit, exposure.of_counts),
        mjd=mjd,
        time_ref=time_ref,
        exposure_time=exposure.seconds,
        saturation=saturation_of(said, survey, unit, is_rate(unit, flux), combined),
        unit=text,
        survey=survey,
        account=said.account,
    )
    if survey is not None and (doubtful := survey.assumed_of(band)):
        said.assume("description", f"{', '.join(doubtful)}, which the description of {survey.name} marks as assumed")
    _note_values(found)
    said.note_cards()
    return found


def _note_values(found: FrameCalibration) -> None:
    """What was made of the cards, beside what stands in them."""
    units = {"gain": "e-/unit", "read_noise": "e-", "zero_point": "mag (AB)", "mjd": "d (UTC)", "exposure_time": "s"}
    for name in (*units, "saturation", "filter", "mission", "unit"):
        value = getattr(found, name)
        if value is not None:
            text = f"{value:.8f}" if name == "mjd" else f"{value:.6g}" if isinstance(value, float) else str(value)
            found.account.values[name] = f"{text} {units[name]}" if name in units else text


def _survey(said: Said, surveys: Surveys, mission: str | None, name: str) -> Survey | None:
    found = surveys.of_header(said.header)
    if found.survey is None and surveys.chosen is not None:
        raise UserError(f"an image of {surveys.chosen.name}", f"{name}: {found.by}", "leave out survey=")
    if found.survey is None and mission is not None and mission.strip().lower() in surveys.names:
        said.account.read["mission"] = "given"
        return surveys.names[mission.strip().lower()]
    if found.survey is None:
        said.give_up("mission", found.by)
    else:
        said.account.read["mission"] = found.by
    return found.survey
