"""Why nothing was left is said in words."""

from __future__ import annotations

from astrid_ml.reasons import LONGEST, in_words, shortened


def test_the_commonest_reasons_come_first_and_the_others_are_counted() -> None:
    reasons = ["no WCS"] * 3 + ["too faint"] * 5 + ["all NaN", "no PSF", "no gain"]
    assert in_words(reasons) == "none of 11: 5 too faint, 3 no WCS, 1 all NaN, and 2 other reasons"


def test_a_long_reason_is_cut() -> None:
    assert len(in_words(["x" * 1000])) == len("none of 1: 1 ") + LONGEST


def test_a_shortened_text_ends_at_a_word_and_never_is_longer_than_asked() -> None:
    text = "a warning of several words, which nobody may cut within one of them"
    for most in range(12, len(text) + 3):
        short = shortened(text, most)
        assert len(short) <= most
        assert short == text or (short.endswith("...") and text[len(short) - 3] in " ,")
        assert text.startswith(short.removesuffix("..."))
    assert shortened("x" * 100, 80) == "x" * 77 + "..."
