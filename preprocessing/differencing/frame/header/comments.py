"""What the comments of a header say of its values: units, moments and time scales, in the words that people use."""

from __future__ import annotations

import re

_MICRO, _MILLI = r"us|usec|µs|micro-?sec(?:ond)?s?", r"ms|msec|milli-?sec(?:ond)?s?"
_SECONDS: dict[str, float] = {
    _MICRO: 1e-6,
    _MILLI: 1e-3,
    r"s|sec|secs|seconds?": 1.0,
    r"min|mins|minutes?": 60.0,
    r"h|hr|hrs|hours?": 3600.0,
    r"d|days?": 86400.0,
}
# Short words are units only where units stand: alone, in brackets, or behind "in".
_PLACED = r"(?:^\s*|[\[(]\s*|\bin\s+)({})\s*(?:[\])]|$)"
_LONG = re.compile(r"\b(micro-?seconds?|milli-?seconds?|msec|usec|seconds?|secs?)\b", re.IGNORECASE)
_MIDDLE = re.compile(
    r"\bmid(?:dle|-?point|-?time|-?exp\w*)?\b(?!-?\s?night)"
    r"|\bcent(?:re|er)\s+(?:of\s+(?:the\s+)?(?:exp|integration|observation)|time\b)"
    r"|\b(?:exp\w*|integration|observation)\s+cent(?:re|er)\b",
    re.IGNORECASE,
)
_ELSEWHERE = re.compile(r"\b(?:bary|helio)cent|\b[BH]JD\b", re.IGNORECASE)
_CORRECTED_NOT = re.compile(r"\b(?:no|not|without|un\w*)\b[\w\s-]*\b(?:bary|helio)cent", re.IGNORECASE)
_START = re.compile(r"\b(?:start\w*|begin\w*|shutter[ -]open\w*)\b", re.IGNORECASE)
_END = re.compile(r"\b(?:end|stop|finish\w*|shutter[ -]clos\w*)\b", re.IGNORECASE)
# Not GPS: who writes it names the receiver, which gives UTC.
_SCALE = re.compile(r"(?<![\w-])(UTC|TAI|TT|TDT|TDB)(?![\w-])")
_SIDEREAL = re.compile(r"\b(?:LST|LMST|GMST|GAST|sidereal)\b", re.IGNORECASE)
_LOCAL = re.compile(r"\blocal\s+(?:civil\s+|standard\s+|solar\s+)?(?:date|time)|\((?:local|LT)\)", re.IGNORECASE)
_ADU = r"(?:adus?|dns?|counts?)"
_ELECTRON = r"(?:e-?|el|electrons?|photo-?electrons?)"
_INVERSE = re.compile(rf"\b{_ADU}\s*(?:/|per)\s*{_ELECTRON}(?![a-z])", re.IGNORECASE)
_DIRECT = re.compile(rf"(?<![a-z]){_ELECTRON}\s*(?:/|per)\s*{_ADU}\b", re.IGNORECASE)
_IN_ADU = re.compile(rf"\b{_ADU}\b", re.IGNORECASE)
_IN_ELECTRONS = re.compile(r"(?<![a-z])(?:e-|el(?![a-z])|electrons?|photo-?electrons?)", re.IGNORECASE)
_SETTING = re.compile(r"\bdb\b|decibel|setting|sensor gain|camera gain|gain (?:index|level|step)", re.IGNORECASE)
_PER_SECOND = re.compile(
    r"(?:/|\bper\b)\s*(?:1(?:\.0*)?\s*)?-?(?:s|sec|second)s?\b"
    r"|(?:\b(?:in|for|of)\b|\ba\b)\s*1(?:\.0*)?\s*-?(?:s|sec|second)s?\b"
    r"|\b(?:adus?|dns?|counts?|e-?|electrons?)\s+(?:in\s+)?a\s+second\b|\b(?:s|sec)\s?\^?\(?-1\)?"
    r"|\bexp\w*\s*(?:time)?\s*(?:=|of)\s*1(?:\.0*)?\s*s",
    re.IGNORECASE,
)
_VEGA, _AB = re.compile(r"\bvega(?:mag)?\b", re.IGNORECASE), re.compile(r"\bAB(?:mag)?\b")


def seconds_of(words: str) -> tuple[float, str] | None:
    """How many seconds the unit in a comment, or behind a number, has, and its word; None where none is named.

    >>> seconds_of("[ms] shutter open"), seconds_of("exposure time in min"), seconds_of("Exposure (us)")
    ((0.001, 'ms'), (60.0, 'min'), (1e-06, 'us'))
    >>> seconds_of("milliseconds"), seconds_of("min exposure of the stack"), seconds_of("[0-9] and more")
    ((0.001, 'milliseconds'), None, None)
    >>> seconds_of("seconds, with millisecond precision"), seconds_of("[ks]")
    ((1.0, 'seconds'), (1000.0, 'ks'))
    """
    for form, factor in _SECONDS.items():
        found = re.search(_PLACED.format(form), words, re.IGNORECASE)
        if found:
            return factor, found[1]
    bracketed = re.match(r"\s*\[(\w+)\]", words)
    inside = _seconds_of_unit(bracketed[1]) if bracketed else None
    if bracketed and inside:
        return inside, bracketed[1]
    found = _LONG.search(words)  # the first: what follows tells of its precision
    if found is None:
        return None
    word = found[1].lower()
    return 1e-6 if word.startswith(("micro", "u")) else 1e-3 if word.startswith("m") else 1.0, found[1]


def _seconds_of_unit(word: str) -> float | None:
    """Seconds of a unit of time as FITS writes it (ks, ns, yr); None for another word."""
    from astropy import units

    try:
        return float(units.Unit(word).to(units.s))
    except (ValueError, TypeError, units.UnitConversionError):
        return None


def moment_of(comment: str) -> str | None:
    """``start``, ``middle`` or ``end`` of an exposure, as a comment says; None where it names none or several.

    >>> moment_of("UTC at mid-exposure"), moment_of("start of the night before midnight"), moment_of("start, not end")
    ('middle', 'start', None)
    >>> moment_of("Centre of exposure"), moment_of("from the data center")
    ('middle', None)
    """
    forms = {"start": _START, "middle": _MIDDLE, "end": _END}
    said = [name for name, form in forms.items() if form.search(comment)]
    return said[0] if len(said) == 1 else None


def is_elsewhere(comment: str) -> bool:
    """Whether a time is said to be that at the barycentre or at the Sun, up to 8.3 minutes from the telescope's.

    >>> is_elsewhere("[d] Barycentric, TDB"), is_elsewhere("HJD at mid-exposure"), is_elsewhere("not barycentric")
    (True, True, False)
    """
    return bool(_ELSEWHERE.search(comment)) and not _CORRECTED_NOT.search(comment)


def scale_of(comment: str) -> str | None:
    """The time scale that a comment names, in small letters; ``local`` and ``sidereal`` for these; None for none.

    None for several, too.

    >>> scale_of("Barycentric, TDB"), scale_of("[d] TT-UTC is 69 s"), scale_of("local time"), scale_of("observed")
    ('tdb', None, 'local', None)
    >>> scale_of("UTC, not local time"), scale_of("LST at start")
    ('utc', 'sidereal')
    """
    if _SIDEREAL.search(comment) and not _SCALE.search(comment):
        return "sidereal"
    if _LOCAL.search(comment) and not _SCALE.search(comment):
        return "local"
    said = {word.lower() for word in _SCALE.findall(re.sub(r"\w+-UTC\b", "UTC TT", comment))}
    return said.pop() if len(said) == 1 else None


def is_inverse(words: str) -> bool:
    """Whether a gain is said to be in counts an electron.

    >>> is_inverse("inverse gain (ADU/e-)"), is_inverse("[electron/adu] of one"), is_inverse("ADU per electron")
    (True, False, True)
    """
    return bool(_INVERSE.search(words)) and not _DIRECT.search(words)


def is_of_electrons(words: str) -> bool:
    """Whether a gain is said to be between electrons and counts, in either direction."""
    return bool(_DIRECT.search(words) or _INVERSE.search(words))


def is_setting(words: str) -> bool:
    """Whether a gain is said to be a camera's setting, in dB or in steps of its own."""
    return bool(_SETTING.search(words)) and not is_of_electrons(words)


def is_in_counts(words: str) -> bool:
    """Whether a noise is said to be in counts, not in electrons."""
    return bool(_IN_ADU.search(words)) and not _IN_ELECTRONS.search(words)


def is_per_second(comment: str) -> bool:
    """Whether a zero point is said to be that of one count a second.

    >>> is_per_second("mag of 1 ADU/s"), is_per_second("zero point for 1 sec exposure"), is_per_second("AB mag")
    (True, True, False)
    """
    return bool(_PER_SECOND.search(comment))


def system_of(comment: str) -> str | None:
    """``vega`` or ``ab``, where a comment names one of them."""
    vega, ab = bool(_VEGA.search(comment)), bool(_AB.search(comment))
    return None if vega == ab else "vega" if vega else "ab"
