"""The filter, by the names that a survey's description knows, from one key or from several wheels."""

from __future__ import annotations

from astrid_ml.preprocessing.differencing.frame.header.said import Said
from astrid_ml.preprocessing.surveys.survey import Survey

KEYS = (
    "FILTER", "FILTERS", "FILTNAM", "FILTNAME", "INSFILTE", "FILTER1", "FILTER2", "FILTER3", "FILTER4", "FPA.FILTERID",
    "FPA.FILTER", "FILTERID", "FILT", "FILTER01", "FILTER02", "FWNAME", "FILTNAM1", "FILTNAM2", "BAND",
)  # fmt: skip
# What an empty place of a wheel is called; the names of HST's, and of wheels at large.
CLEAR = (
    "clear", "clear1l", "clear2l", "clear1s", "clear2s", "clearp", "open", "empty", "none", "no filter", "nofilter",
    "n/a", "na", "null", "unknown", "air", "blank", "0 blank",
)  # fmt: skip


NOTHING = ("none", "n/a", "na", "null", "unknown")  # says that nobody knows, not that there was no filter


def _is_wheel(key: str) -> bool:
    return key[-1].isdigit()


def filter_of(said: Said, survey: Survey | None, name: str = "") -> str | None:
    """The filter by its short name: what the survey's description calls it, else what the header says.

    Args:
        said: the header.
        survey: whose it is, where that is known.
        name: of the file: some surveys say the filter there alone.
    """
    header = survey.header if survey else None
    keys = (header.filter if header else ()) or KEYS
    clear = {word.casefold() for word in (*CLEAR, *(header.clear if header else ()))}
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
    full = [(key, word) for key, word in words if word.casefold() not in clear]
    if not full:
        said.give_up("filter", "every wheel is clear" if words else "no key holds a filter")
        alone = words[0][1] if len(words) == 1 else None
        return None if alone is None or alone.casefold() in NOTHING else alone
    key, word = full[0]
    if others := [f"{name}={value}" for name, value in full[1:] if _is_wheel(name) and _is_wheel(key)]:
        said.assume("filter", f"{key}={word}, though another wheel holds a filter too: {', '.join(others)}")
    said.account.read["filter"] = key
    if survey is not None and survey.bands:
        said.assume("filter", f"{word} as it stands: the description of {survey.name} has no such filter")
        word = word.split(survey.header.keep_before)[0] if survey.header.keep_before else word
    return word
