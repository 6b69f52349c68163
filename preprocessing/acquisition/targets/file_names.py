"""Names of files for what catalogues and archives call targets, observations and files; none of them is trusted."""

from __future__ import annotations

import hashlib
import re

LONGEST = 150


def plain(name: str) -> str:
    """A name that is one of a file on every system; a long one is cut, and ends in a digest of the whole.

    >>> plain("HST/ACS F814W"), plain("../x"), len(plain("x" * 999))
    ('HST_ACS_F814W', '_x', 150)
    """
    text = re.sub(r"[^\w.+-]", "_", name).lstrip(".") or "_"
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 9]}-{short_digest(name)}"


def short_digest(*values: str) -> str:
    """Eight letters that tell names apart which are one name of a file.

    >>> short_digest("a b") == short_digest("a_b"), len(short_digest("a"))
    (False, 8)
    """
    return hashlib.sha256("\0".join(values).encode(errors="surrogatepass")).hexdigest()[:8]
