"""What stands at a path is said in words, whatever stands there."""

from __future__ import annotations

import io
import os
import socket
import tarfile
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from astropy.io import fits

from astrid_ml.found import found, key_for, kind_at


def zipped(path: Path, *names: str) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, "x")


def tarred(path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        archive.addfile(tarfile.TarInfo("a"), io.BytesIO(b""))


FILES = {
    "a FITS file": lambda path: path.write_bytes(b"SIMPLE  =                    T"),
    "a FITS image": lambda path: fits.writeto(path, np.zeros((3, 3))),
    "a FITS cube": lambda path: fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.zeros((2, 3, 3)))]).writeto(path),
    "a FITS table": lambda path: fits.BinTableHDU.from_columns([fits.Column("a", "J", array=[1])]).writeto(path),
    "a parquet table": lambda path: pd.DataFrame({"a": [1]}).to_parquet(path),
    "an HDF5 file": lambda path: h5py.File(path, "w").close(),
    "an .npy array": lambda path: np.save(path.open("wb"), np.zeros(3)),
    "an .npz file": lambda path: np.savez(path.open("wb"), a=np.zeros(3)),
    "a file of torch (a checkpoint)": lambda path: torch.save({"a": torch.zeros(2)}, path),
    "a zip archive": lambda path: zipped(path, "a.txt"),
    "a damaged zip archive": lambda path: path.write_bytes(b"x" * 9 + b"PK\x05\x06" + bytes([255] * 18)),
    "a tar archive": tarred,
    "a gzip file": lambda path: path.write_bytes(b"\x1f\x8b\x08"),
    "an Avro file": lambda path: path.write_bytes(b"Obj\x01"),
    "a JSON text": lambda path: path.write_text('  {"a": 1}'),
    "a web page": lambda path: path.write_text("<!DOCTYPE html>"),
    "a text file": lambda path: path.write_text("é" * 400),
    "an empty file": lambda path: path.touch(),
    "a file of an unknown kind": lambda path: path.write_bytes(bytes(range(256))),
    "a device, pipe or socket": os.mkfifo,
    "a broken link": lambda path: path.symlink_to("nowhere"),
    "nothing": lambda path: None,
}


@pytest.mark.parametrize("words", FILES)
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_files_kind_is_told_by_its_content_and_not_by_its_name(words: str, tmp_path: Path) -> None:
    path = tmp_path / "thing.xyz"
    FILES[words](path)  # type: ignore[no-untyped-call]
    assert kind_at(path) == words and found(path) == f"{words} at {path}"


def test_a_folders_kind_is_told_by_the_file_that_it_is_known_by(tmp_path: Path) -> None:
    assert kind_at(tmp_path) == "a folder" and key_for(tmp_path) == ""
    (tmp_path / "config.yaml").touch()
    assert (kind_at(tmp_path), key_for(tmp_path)) == ("a run's folder", "paths.run_dir=")
    (tmp_path / "dataset.json").touch()
    assert (kind_at(tmp_path), key_for(str(tmp_path))) == ("a prepared dataset", "dataset=")


def test_names_that_are_no_paths_are_said_so(tmp_path: Path) -> None:
    assert found("") == "an empty path"
    assert kind_at(Path("a\0b")) in ("nothing", "something that cannot be read")
    assert kind_at(tmp_path / ("x" * 300)) in ("nothing", "something that cannot be read")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        assert kind_at(tmp_path / "s") == "a device, pipe or socket"
