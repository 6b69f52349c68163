"""What a reader has before a page begins: a checkout with its environment, packets of a survey, a file of weights."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import fastavro
from blocks import REPOSITORY, environment
from made.alerts import SCHEMA, make_packet
from made.surveys import write_myscope
from made.weights import write_keras


def checkout(folder: Path) -> None:
    """What ``make`` reads, with an environment that it finds installed: the one that these tests run in."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(REPOSITORY / name, folder)
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', encoding="utf-8")
    (programs / "python").chmod(0o755)
    for mark in (".core", ".dev"):
        (folder / ".venv" / mark).touch()


def night(folder: Path) -> None:
    """``night/``: sixty packets, half of them with a star; ``labels.csv`` says which."""
    packets = [make_packet(number, star=bool(number % 2)) for number in range(60)]
    (folder / "night").mkdir()
    with (folder / "night" / "night.avro").open("wb") as stream:
        fastavro.writer(stream, SCHEMA, packets)
    lines = [f"{packet['candid']},{number % 2}" for number, packet in enumerate(packets)]
    (folder / "labels.csv").write_text("\n".join(["id,label", *lines]) + "\n", encoding="utf-8")


def weights(folder: Path) -> None:
    """``d6_m7.weights.h5`` in the published layout, with random numbers in it."""
    write_keras(folder / "d6_m7.weights.h5")


def raw(folder: Path) -> None:
    """``raw/``: simulated triplets."""
    words = ["simulate", "what=triplets", "simulate.n=40", "output_dir=raw"]
    subprocess.run([sys.executable, "-m", "astrid_ml", *words], cwd=folder, env=environment(folder), check=True)


SUPPLIES: dict[str, Callable[[Path], None]] = {
    "checkout": checkout,
    "night": night,
    "packets": write_myscope,
    "raw": raw,
    "weights": weights,
}
