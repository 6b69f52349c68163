"""The PSFs of a pair, of one kind where both are known badly."""

from __future__ import annotations

from astrid_ml.preprocessing.differencing.stars.psf import PsfEstimate, moffat_of

_FEW = 16  # stars; a stack of fewer is little better than the Moffat that stands in for fewer still


def of_one_kind(first: PsfEstimate, second: PsfEstimate) -> tuple[PsfEstimate, PsfEstimate]:
    """Both PSFs; where one is a Moffat fitted to its few stars and the other a stack of hardly more, two Moffats.

    A difference lives on what both PSFs have in common: the wings that one model has and the other lacks are left
    around every bright source.
    """
    if _stands_in(first) and _few(second):
        return first, moffat_of(second, _said(second))
    if _stands_in(second) and _few(first):
        return moffat_of(first, _said(first)), second
    return first, second


def _stands_in(psf: PsfEstimate) -> bool:
    return psf.source == "moffat" and psf.n_stars < _FEW


def _few(psf: PsfEstimate) -> bool:
    return psf.source == "stars" and psf.n_stars < _FEW and psf.psf.ndim == 2


def _said(psf: PsfEstimate) -> str:
    return f"{psf.n_stars} usable stars: a Moffat fitted to them stands in, as for the other image"
