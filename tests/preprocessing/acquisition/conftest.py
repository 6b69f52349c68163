"""An archive on this machine, and a client that may ask it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from made.archive_server import Clients, PlayedArchive, serving

from astrid_ml.preprocessing.acquisition.client.client import ArchiveClient


@pytest.fixture
def played() -> Iterator[PlayedArchive]:
    with serving(PlayedArchive()) as archive:
        yield archive


@pytest.fixture
def client_of(played: PlayedArchive) -> Clients:
    """A client that waits no longer than a test may."""

    def made(**settings: Any) -> ArchiveClient:
        usual = {
            "hosts": {played.host: 1000.0},
            "first_wait": 0.01,
            "longest_wait": 0.02,
            "tries": 4,
            "read_timeout": 5.0,
        }
        return ArchiveClient(**{**usual, **settings})

    return made


@pytest.fixture
def image(tmp_path: Path) -> bytes:
    """A FITS file of 256 x 256 px: larger than the pieces in which it comes."""
    path = tmp_path / "made.fits"
    fits.PrimaryHDU(np.arange(65536, dtype="f4").reshape(256, 256)).writeto(path)
    return path.read_bytes()
