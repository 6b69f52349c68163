"""What a description of a survey says: each field is one convention, and null says that it is not known.

A description is a YAML file (``<name>.yaml`` beside this module, in a plug-in or in a folder of the user's own). It
holds published values only: a value that nobody has published is null, and what reads a file says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from astrid_ml.types import Count, Filled, InUnits, NonNegative, Positive, Whole

Scale = Literal["utc", "tai", "tt", "tdb"]
Sky = Literal["kept", "subtracted"]
# Columns of the sample index that a packet's key may fill; and numbers that are kept as they are called.
ROLES = (
    "id", "object", "time", "exposure", "filter", "ra", "dec", "field", "detector", "snr", "flux", "flux_err",
    "positive", "negative", "reliability", "drbversion", "rbversion",
)  # fmt: skip


@dataclass(frozen=True)
class Recognition:
    """How a file or a packet is known to be the survey's. Every name is compared whole, capitals apart.

    Args:
        observatories: values of TELESCOP, MISSION, OBSERVAT, SURVEY or, without those, ORIGIN that mean it alone.
        telescopes: values of TELESCOP that mean it together with one of ``instruments``, or with an ORIGIN among
            ``observatories``.
        instruments: values of INSTRUME.
        signature: keys that only its headers have together, for files that name no telescope and no instrument.
        publishers: of packets.
        object_ids: patterns of whole object names (regular expressions).
        packet_fields: fields, dotted, that only its packets have together.
    """

    observatories: tuple[str, ...] = ()
    telescopes: tuple[str, ...] = ()
    instruments: tuple[str, ...] = ()
    signature: tuple[str, ...] = ()
    publishers: tuple[str, ...] = ()
    object_ids: tuple[str, ...] = ()
    packet_fields: tuple[str, ...] = ()


@dataclass(frozen=True)
class Band:
    """One filter.

    Args:
        wavelength: effective, micrometres.
        aliases: other names in headers and packets.
        code: its number in headers and packets.
        zero_point: what ``FluxConvention.zero_point`` says.
        vega_to_ab: to be added to a Vega magnitude, mag.
        system: of this band's zero points, where it is another one than that of ``flux``.
        file_marks: parts of a file's name that tell it where the header does not.
    """

    wavelength: Annotated[Positive, InUnits("um")] | None = None
    aliases: tuple[str, ...] = ()
    code: Whole | None = None
    zero_point: Annotated[float, InUnits("mag")] | None = None
    vega_to_ab: Annotated[float, InUnits("mag")] | None = None
    system: Literal["AB", "Vega"] | None = None
    file_marks: tuple[str, ...] = ()


@dataclass(frozen=True)
class FluxConvention:
    """What a pixel counts.

    Args:
        unit: of the images where BUNIT is absent.
        photons: the camera counts photons: a count is an electron, whatever GAIN says.
        rates: pixels are per second, whatever BUNIT says.
        mean: NCOMBINE exposures were averaged, so each count stands for as many; null: as the header's words on the
            combination tell, else averaged. NFRAMES is no such number: it counts reads, or inputs of a sum.
        integrations: what is stored of several integrations of one exposure (ESO's DIT and NDIT).
        system: of the zero points of headers and of the bands; null where nobody has published it: they are taken as
            AB, which the output says. What a header says itself goes first.
        zero_point: what the zero point of a band is: the magnitude of one count a ``second``, of one ``count`` of the
            image, or the ``bandpass`` part that is added to the header's; null where there is none.
        per_second: keys of the header whose zero point is that of one count a second.
    """

    unit: str | None = None
    photons: bool = False
    rates: bool = False
    mean: bool | None = None
    integrations: Literal["mean", "sum"] | None = None
    system: Literal["AB", "Vega"] | None = None
    zero_point: Literal["second", "count", "bandpass"] | None = None
    per_second: tuple[str, ...] = ()


@dataclass(frozen=True)
class TimeConvention:
    """What a time in a header or packet means.

    Args:
        scale: of times whose header has no TIMESYS.
        reference: of a date or an MJD whose key does not say start, middle or end.
        between: the middle lies between start and end, where they are further apart than the exposure is long.
    """

    scale: Scale = "utc"
    reference: Literal["start", "middle", "end"] = "start"
    between: bool = True

    @property
    def ahead_of_utc(self) -> float:
        """Days that the scale is ahead of UTC since 2017, when the last leap second was added; TDB is TT within 2 ms.

        For packets, none of which is older; headers are converted with the leap seconds of their day.
        """
        return {"utc": 0.0, "tai": 37.0, "tt": 69.184, "tdb": 69.184}[self.scale] / 86400


@dataclass(frozen=True)
class HeaderKeys:
    """Keys of its headers, best first; an empty list leaves the usual ones in place.

    Args:
        filter: of the filter, or of each wheel.
        clear: what an empty place of a wheel is called.
        exposure: of the exposure time.
        exposure_unit: of that key.
        gain, read_noise, saturation, zero_point: of a number, or of each amplifier's.
        uncertainty: extension of sigma, or the last word of its name.
        weight: extension whose pixels of 0 hold no data.
        keep_before: this text and what follows it in a filter's name are no part of it.
    """

    filter: tuple[str, ...] = ()
    clear: tuple[str, ...] = ()
    exposure: tuple[str, ...] = ()
    exposure_unit: Literal["s", "d"] = "s"
    gain: tuple[str, ...] = ()
    read_noise: tuple[str, ...] = ()
    saturation: tuple[str, ...] = ()
    zero_point: tuple[str, ...] = ()
    uncertainty: str | None = None
    weight: str | None = None
    keep_before: str | None = None


@dataclass(frozen=True)
class DetectorFacts:
    """Of the detector, by amplifier; ``all`` where they are alike.

    Args:
        gain: e- per DN.
        read_noise: e- of one read.
        saturation: DN.
        read_noise_of: whether the header's read noise is that of one read, or of a difference of two.
        border: reference pixels along the edge of a ramp, px.
    """

    gain: Mapping[str, Positive] = field(default_factory=dict)
    read_noise: Mapping[str, NonNegative] = field(default_factory=dict)
    saturation: Mapping[str, Positive] = field(default_factory=dict)
    read_noise_of: Literal["read", "difference"] = "read"
    border: Whole | None = None


@dataclass(frozen=True)
class MaskBits:
    """The bits of a mask plane by their meaning.

    Args:
        extension: that holds it; null where a file of its own does (``science.mask=FILE``).
        bits: meaning -> number of the bit, from 0.
        bad: meanings that make a pixel useless; empty with ``bits`` empty: every bit does.
        named: the header of the plane names its own bits as this prefix and the meaning (``MP_``).
        codes: the numbers are no bits: a pixel has one of them, as it is.
    """

    extension: str | None = None
    bits: Mapping[str, Whole] = field(default_factory=dict)
    bad: tuple[str, ...] = ()
    named: str | None = None
    codes: bool = False

    @property
    def value(self) -> int | None:
        """The bad bits as one number; None where the description has none."""
        known = [1 << self.bits[name] for name in self.bad if name in self.bits]
        return sum(known) if known else None


@dataclass(frozen=True)
class StampConvention:
    """Stamps of its packets.

    Args:
        size: pixels on a side; smaller ones were cut at an edge. Null: packets may have any.
        larger: whether sources that need it get larger stamps than ``size``.
        pixel_scale: arcsec.
        unit: of the pixels.
        sky: whether science and template stamps hold the sky.
        negative: what a difference stamp shows of a source that faded: ``positive`` (it was turned over) or
            ``negative``.
        orientation: of the rows, in words.
        largest: absolute values from here on mark missing pixels, as NaN does.
        variance, psf: extensions beside the image.
        psf_size: pixels on a side to which PSFs are padded; larger ones widen it.
        optional: planes whose loss never loses the stamp.
    """

    size: Count | None
    pixel_scale: Annotated[Positive, InUnits("arcsec")]
    larger: bool = False
    unit: str | None = None
    sky: Sky | None = None
    negative: Literal["positive", "negative"] | None = None
    orientation: str | None = None
    largest: Positive = 1e37
    variance: str | None = None
    psf: str | None = None
    psf_size: Count | None = None
    optional: tuple[Literal["variance", "psf"], ...] = ()


@dataclass(frozen=True)
class PacketKeys:
    """Where a packet says what.

    Args:
        keys: column of the index -> fields, dotted, best first (``survey.ROLES``).
        time_format: of the field of the time: ``jd``, ``mjd``, ``iso``, ``days`` since ``time_zero``; ``by key``: the
            field's name says jd or mjd. A text that is a date is read as one in any case.
        time_zero: Julian date of day 0, of ``days`` (2457000 for TESS).
        position_unit: of right ascension and declination that are numbers; ``hourangle`` is that of right ascensions.
            Null: numbers are degrees, and right ascensions such as 12:34:56.7 are hours.
        reference: whether that is the start, the middle or the end of the exposure.
        exposures: shortest and longest exposure, s; a number a thousand times as large is in milliseconds, and one
            that is neither is none. Null: any up to eleven days.
        only_filter: where the survey has one.
        numbers: record that holds further numbers; those of ``NUMBERS`` are kept.
        unknown_objects: numbers that stand for no object.
    """

    keys: Mapping[str, tuple[str, ...]]
    time_format: Literal["jd", "mjd", "iso", "days", "by key"] = "jd"
    time_zero: Annotated[Positive, InUnits("d")] | None = None
    position_unit: Literal["deg", "hourangle", "rad"] | None = None
    reference: Literal["start", "middle", "end"] = "start"
    exposures: Annotated[tuple[Positive, ...], InUnits("s")] | None = None
    only_filter: str | None = None
    numbers: str | None = None
    unknown_objects: tuple[Whole, ...] = ()


@dataclass(frozen=True)
class Survey:
    """All of one survey.

    Args:
        name: as people write it.
        mission: its canonical name in tables, in small letters.
        source: publications that the values are from.
        aliases: other names that a user may type or a table may hold.
        bands: its filters.
        recognise: how its files and packets are known.
        flux, time, header, detector, mask: of its images.
        sky: whether its images hold the sky.
        pixel_scale: of its images, arcsec.
        psf: where its images' PSF is from, in words.
        stamp, packet: of its alert packets; null where it has none.
        simulate: presets by simulator, read by the simulator itself.
        assumed: dotted fields whose values could not be held against a publication or another program's data; the
            output says where one of them was used.
    """

    name: str
    mission: str
    source: Annotated[tuple[str, ...], Filled()]
    aliases: tuple[str, ...] = ()
    bands: Mapping[str, Band] = field(default_factory=dict)
    recognise: Recognition = field(default_factory=Recognition)
    flux: FluxConvention = field(default_factory=FluxConvention)
    time: TimeConvention = field(default_factory=TimeConvention)
    header: HeaderKeys = field(default_factory=HeaderKeys)
    detector: DetectorFacts = field(default_factory=DetectorFacts)
    mask: MaskBits = field(default_factory=MaskBits)
    sky: Sky | None = None
    pixel_scale: Annotated[Positive, InUnits("arcsec")] | None = None
    psf: str | None = None
    stamp: StampConvention | None = None
    packet: PacketKeys | None = None
    simulate: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    assumed: tuple[str, ...] = ()

    def assumed_of(self, band: str | None) -> list[str]:
        """The assumed fields that a frame in a filter uses."""
        parts = {name: name.split(".") for name in self.assumed}
        return [name for name, part in parts.items() if part[0] != "bands" or band in part[1:2]]

    def band_of(self, said: str | int | None) -> str | None:
        """The filter that a name or a number means; None for one that the description does not have.

        Names are compared whole, first as they are spelt, then whatever their capitals.
        """
        if said is None:
            return None
        if isinstance(said, int):
            return next((name for name, band in self.bands.items() if band.code == said), None)
        word = said.strip()
        spelt = {alias: name for name, band in self.bands.items() for alias in (name, *band.aliases)}
        folded = {alias.casefold(): name for alias, name in reversed(spelt.items())}
        cut = word.split(self.header.keep_before)[0] if self.header.keep_before else word
        for spelling in (word, cut):
            known = spelt.get(spelling) or folded.get(spelling.casefold())
            if known is not None:
                return known
        return self.band_of(int(cut)) if cut.isdigit() else None
