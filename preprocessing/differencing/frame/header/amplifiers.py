"""What a survey's description says of its detectors, by amplifier, where a header has no key for it."""

from __future__ import annotations

import math
from collections.abc import Mapping

from astrid_ml.preprocessing.differencing.frame.header.said import Said
from astrid_ml.preprocessing.surveys.survey import Survey

# Keys that name the amplifier, the chip or the detector of an image.
NAMED = ("CCDAMP", "AMPNAME", "AMPID", "AMP", "AMPLIFIER", "EXTNAME", "CCDNAME", "DETECTOR", "CHIP", "CCDNUM", "CCD",
         "CCD_ID", "DETNAM", "IMAGEID")  # fmt: skip


def of_amplifiers(
    said: Said, value: str, survey: Survey | None, facts: Mapping[str, float], lowest: bool = False
) -> float | None:
    """A value of the amplifier that the header names (of several, ``CCDAMP = AB``, of these), else of all of them.

    Args:
        said: the header; what was taken is noted.
        value: what it is.
        survey: whose description it is.
        facts: amplifier -> value; none where the description does not say it.
        lowest: of several the lowest counts, not the mean.
    """
    if survey is None or not facts:
        return None
    key, names = _named(said, {name.casefold(): name for name in facts})
    found = [facts[name] for name in names]
    what = (
        f"{'the lowest' if lowest else 'the mean'} of its amplifiers" if len({*found}) > 1 else "that of the detector"
    )
    what = f"that of {', '.join(names)} ({key})" if key and len(names) == 1 else what
    said.assume(value, f"{what}, as the description of {survey.name} says")
    return min(found) if lowest else math.fsum(found) / len(found)


def _named(said: Said, known: Mapping[str, str]) -> tuple[str, list[str]]:
    """The key that names amplifiers of a description, and these; no key, and all, where none does.

    Args:
        said: the header.
        known: names in small letters -> as the description has them.
    """
    for key in NAMED:
        text = str(said.header.get(key, "")).strip().casefold()
        if text in known:
            return key, [known[text]]
        if len(text) > 1 and set(text) <= set(known):
            return key, [known[letter] for letter in sorted(set(text))]
    return "", list(known.values())
