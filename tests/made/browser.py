"""A headless browser, where there is one: what a page becomes, what it says and what it asks for."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

FLAGS = [
    *(
        "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
        "--disable-component-update --disable-sync --disable-extensions --hide-scrollbars --virtual-time-budget=4000"
    ).split(),
    "--host-resolver-rules=MAP * ~NOTFOUND",  # nothing leaves this machine, whatever the browser itself wants
]
# What the browser asks for by itself, whatever the page.
OWN = re.compile(r"https?://[^/]*\.(google|googleapis)\.com/|chrome(-extension)?:|data:|about:|blob:")


@dataclass(frozen=True)
class Visit:
    """What opening a page did.

    Args:
        dom: after the scripts ran.
        console: messages of the page.
        requests: addresses that the page asked for, itself left out.
    """

    dom: str
    console: list[str]
    requests: set[str]


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


@pytest.fixture
def visit(chromium: str, tmp_path: Path) -> Callable[[Path], Visit]:
    """Open a file and listen: the console and the browser's own log of the network."""

    def run(page: Path) -> Visit:
        log = tmp_path / "net.json"
        listening = [
            "--enable-logging=stderr",
            "--v=0",
            f"--log-net-log={log}",
            f"--user-data-dir={tmp_path / 'visitor'}",
        ]
        command = [chromium, *FLAGS, *listening, "--dump-dom", page.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        asked = set(re.findall(r'"url":"([^"]+)', log.read_text(errors="replace")))
        foreign = {url for url in asked if not OWN.match(url) and url != page.as_uri()}
        return Visit(done.stdout, re.findall(r"CONSOLE.*", done.stderr), foreign)

    return run
