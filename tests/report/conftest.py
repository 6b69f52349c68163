"""A headless browser for the pages, where there is one."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-extensions --hide-scrollbars --virtual-time-budget=4000"
).split()


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's path; skips with the reason where there is none."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("no headless Chromium on this machine (Debian: apt-get install chromium)")
    return found


@pytest.fixture
def browse(chromium: str, tmp_path: Path) -> Callable[..., str]:
    """Open a file and return its DOM after the scripts ran; or, with ``screenshot``, write a PNG."""

    def run(page: Path, *extra: str, screenshot: Path | None = None) -> str:
        profile = tmp_path / "profile"
        job = [f"--screenshot={screenshot}"] if screenshot else ["--dump-dom"]
        command = [chromium, *FLAGS, f"--user-data-dir={profile}", *extra, *job, page.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    return run
