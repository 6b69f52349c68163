"""The pictures of a stranger's report: taken out in the one way in which a report writes them, and looked at again."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from astrid_ml.printable import printable
from astrid_ml.reasons import shortened
from astrid_ml.referee.verdicts import DIFFERENT, EQUAL, Compared
from astrid_ml.report.content import SamplePicture

# A section of the page, a heading in one, a picture with its caption: exactly as templates write them.
SECTION = re.compile(r'<section>\n<h2 id="([^"]*)">([^<]*)</h2>.*?\n</section>', re.DOTALL)
_PART = re.compile(
    r'<h3>(?P<title>[^<>]*)</h3>|<figure><img(?: class="broad")? alt="(?P<caption>[^"<>]*)" '
    r'src="data:image/png;base64,(?P<png>[A-Za-z0-9+/]*={0,2})"><figcaption>[^<>]*</figcaption></figure>'
)
SAMPLES, LEAKS = "samples", "leak-audit"  # the sections that hold pictures


@dataclass(frozen=True)
class PagePictures:
    """Pictures of a report.

    Args:
        samples: heading -> pictures, of the section of samples.
        leaks: of the section of the audit.
    """

    samples: dict[str, list[SamplePicture]] = field(default_factory=dict)
    leaks: list[SamplePicture] = field(default_factory=list)

    @classmethod
    def of(cls, page: str) -> PagePictures:
        """Those of a page. What else a section holds is told when the page is made again from them.

        Args:
            page: the text of ``report.html``.
        """
        found: dict[str, dict[str, list[SamplePicture]]] = {SAMPLES: {}, LEAKS: {}}
        for section in SECTION.finditer(page):
            if section[1] in found:
                found[section[1]] |= _galleries(section[0])
        return cls(found[SAMPLES], [picture for some in found[LEAKS].values() for picture in some])

    @property
    def all(self) -> dict[str, list[SamplePicture]]:
        """Heading -> pictures of both sections."""
        return {**self.samples, **({"Pairs that leak": self.leaks} if self.leaks else {})}


def _galleries(section: str) -> dict[str, list[SamplePicture]]:
    out: dict[str, list[SamplePicture]] = {}
    for part in _PART.finditer(section):
        if part["title"] is not None:
            some = out.setdefault(html.unescape(part["title"]), [])
        elif out:
            try:
                some.append(SamplePicture(html.unescape(part["caption"]), base64.b64decode(part["png"], validate=True)))
            except ValueError:  # no base64: the page that is made again lacks it
                continue
    return {title: some for title, some in out.items() if some}


def captions(shown: PagePictures, wanted: Mapping[str, Sequence[str]], leaks: Sequence[str]) -> Compared:
    """What stands under the pictures, with what the predictions and the record make; a page without any claims none.

    Args:
        shown: on the page.
        wanted: heading -> captions of samples.
        leaks: captions of pairs.
    """
    said = {heading: [picture.caption for picture in some] for heading, some in shown.all.items()}
    made = {heading: [printable(text) for text in some] for heading, some in wanted.items() if len(some)}
    known = dict(made if shown.samples else {}) | ({"Pairs that leak": list(map(printable, leaks))} if leaks else {})
    wrong = [heading for heading in dict.fromkeys([*said, *known]) if said.get(heading) != known.get(heading)]
    if wrong and not (wrong == ["Pairs that leak"] and not shown.leaks):
        return Compared(
            DIFFERENT, f"other captions of pictures than the predictions make: {shortened('; '.join(wrong), 200)}"
        )
    return Compared(EQUAL, f"captions of {sum(map(len, said.values()))} pictures")


def drawn_again(shown: PagePictures, made: PagePictures) -> Compared:
    """Each picture beside the one that is drawn here.

    Args:
        shown: on the page.
        made: from the samples.
    """
    one, other = (_flat(pictures) for pictures in (shown, made))
    wrong = [name for name in dict.fromkeys([*one, *other]) if not _alike(one.get(name), other.get(name))]
    if wrong:
        names = "; ".join(" ".join(map(str, name)) for name in wrong[:3])
        return Compared(DIFFERENT, f"{len(wrong)} of {len(other)} pictures are others than the samples give: {names}")
    return Compared(EQUAL, f"{len(one)} pictures")


def _flat(pictures: PagePictures) -> dict[tuple[str, int, str], bytes]:
    return {
        (heading, place, printable(picture.caption)): picture.png
        for heading, some in pictures.all.items()
        for place, picture in enumerate(some)
    }


def _alike(one: bytes | None, other: bytes | None) -> bool:
    """Byte by byte, else point by point: another version of a library packs the same points otherwise."""
    if one is None or other is None or one == other:
        return one == other
    first, second = (_points(png) for png in (one, other))
    return first is not None and second is not None and first == second


def _points(png: bytes) -> Any:
    """(size, bytes of the points); None where it is no picture of a sensible size."""
    import io

    from PIL import Image

    try:
        with Image.open(io.BytesIO(png), formats=["PNG"]) as image:
            return (image.size, image.convert("RGBA").tobytes())
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
