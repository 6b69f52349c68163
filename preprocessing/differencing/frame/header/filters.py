"""The filter, by the names that a survey's description knows, from one key or from several wheels."""

from __future__ import annotations

import re

from astrid_ml.preprocessing.differencing.frame.header.said import Said, as_number
from astrid_ml.preprocessing.surveys.survey import Survey

KEYS = (
    "FILTER", "FILTERS", "FILTNAM", "FILTNAME", "INSFILTE", "WFFBAND", "FILTER1", "FILTER2", "FILTER3", "FILTER4",
    "FPA.FILTERID", "FPA.FILTER", "FILTERID", "FILT", "FILTER01", "FILTER02", "FILTERA", "FILTERB", "FWNAME",
    "FILTNAM1", "FILTNAM2", "ESO INS FILT1 NAME", "ESO INS FILT2 NAME", "ESO INS FILT3 NAME", "ESO INS FILT4 NAME",
    "ALFLTNM", "FAFLTNM", "FBFLTNM", "INSFLNAM", "FLT_ID", "CCDFLTID", "BAND",
)  # fmt: skip
_WHEEL = re.compile(r".*\d|FILTER[AB]|ESO INS FILT\d NAME|(?:AL|FA|FB)FLTNM")
# What an empty place of a wheel is called: HST's names, and those of wheels at large, whatever follows "open".
_CLEAR = re.compile(
    r"(?:open|clear|empty|blank|0 ?blank).*|dia(?:phragm)?|(?:air|hole|free|glass)(?![a-z]).*|<?no[ _-]?filter>?",
    re.IGNORECASE,
)
_JOINED = re.compile(r"[+;,/]")
_NEUTRAL = re.compile(r"nd(?:[ _.-]?\d.*|[ _-]?filt.*)?|neutral.*", re.IGNORECASE)  # dims, and makes no band of its own
NOTHING = ("none", "n/a", "na", "null", "unknown", "undefined", "")  # nobody knows; not that there was no filter


def filter_of(said: Said, survey: Survey | None, name: str = "") -> str | None:
    """The filter by its short name: what the survey's description calls it, else what the header says.

    Where several wheels hold filters that the description does not know, all of them are named (``H+Br_gamma``): light
    went through each, so frames that share one of them are not of one filter.

    Args:
        said: the header.
        survey: whose it is, where that is known.
        name: of the file: some surveys say the filter there alone.
    """
    header = survey.header if survey else None
    keys = (header.filter if header else ()) or KEYS
    clear = {word.casefold() for word in (header.clear if header else ())}
    words = [(key, word) for key in keys if (word := str(said.header.get(key, "")).strip())]
    if survey is not None:
        for key, word in words:
            band = survey.band_of(word)
            if band is not None and word.casefold() not in clear:
                said.account.read["filter"] = key
                return band
        for band, known in survey.bands.items():
            if any(mark in name for mark in known.file_marks):
                said.account.read["filter"] = "the file's name"
                return band
        if not words and len(survey.bands) == 1:
            said.assume("filter", f"the only one of {survey.name}")
            return next(iter(survey.bands))
    known_words = [(key, word) for key, word in words if word.casefold() not in NOTHING]
    full = [(key, held) for key, word in known_words if (held := _held(word, clear))]
    bands = [(key, word) for key, word in full if not _NEUTRAL.fullmatch(word)]
    if names := [(key, word) for key, word in bands if as_number(word) is None]:
        bands = names  # numbers beside them are places of the wheels (FILTER1 beside FILTNAM1 of WFPC2)
    if dim := [f"{key}={word}" for key, word in full if _NEUTRAL.fullmatch(word)]:
        said.assume("filter", f"that of the other wheels, for {', '.join(dim)} is of neutral density")
    if not bands:
        return _without(said, words, known_words)
    if (wheels := [(key, word) for key, word in bands if _WHEEL.fullmatch(key)]) and _WHEEL.fullmatch(bands[0][0]):
        bands = list({word.casefold(): (key, word) for key, word in reversed(wheels)}.values())[::-1]
    else:
        bands = bands[:1]
    if len(bands) > 1:
        said.assume("filter", f"each of {', '.join(f'{key}={word}' for key, word in bands)}: all wheels hold one")
    said.account.read["filter"] = ", ".join(key for key, _ in bands)
    word = "+".join(word for _, word in bands)
    if survey is not None and survey.bands:
        said.assume("filter", f"{word} as it stands: the description of {survey.name} has no such filter")
        word = word.split(survey.header.keep_before)[0] if survey.header.keep_before else word
    return word


def _held(word: str, clear: set[str]) -> str:
    """What a word says of filters without the empty places that it names too (``open + r``); empty where all are."""
    if word.casefold() in clear:
        return ""
    parts = [part for part in (part.strip() for part in _JOINED.split(word)) if part]
    full = [part for part in parts if part.casefold() not in clear and not _CLEAR.fullmatch(part)]
    return word if len(full) == len(parts) else "+".join(full)


def _without(said: Said, words: list[tuple[str, str]], known: list[tuple[str, str]]) -> str | None:
    """The word of the only key of a frame without a filter, else ``clear``; None where nobody knows."""
    if not known:
        said.give_up("filter", "nobody knows" if words else "no key holds a filter")
        return None
    said.account.read["filter"] = ", ".join(key for key, _ in known)
    said.assume("filter", "none: every wheel is clear")
    return known[0][1] if len(known) == 1 else "clear"
