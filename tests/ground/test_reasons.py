"""Why nothing was left is said in words."""

from __future__ import annotations

from astrid_ml.reasons import LONGEST, in_words


def test_the_commonest_reasons_come_first_and_the_others_are_counted() -> None:
    reasons = ["no WCS"] * 3 + ["too faint"] * 5 + ["all NaN", "no PSF", "no gain"]
    assert in_words(reasons) == "none of 11: 5 too faint, 3 no WCS, 1 all NaN, and 2 other reasons"


def test_a_long_reason_is_cut() -> None:
    assert len(in_words(["x" * 1000])) == len("none of 1: 1 ") + LONGEST
