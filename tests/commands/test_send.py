"""Files reach programs by a hub of this machine, and no other."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.table import Table

from astrid_ml.commands.send import SendCommand, _library, is_loopback
from astrid_ml.described.columns import TableMeaning
from astrid_ml.described.formats import write_described
from astrid_ml.errors import UserError

samp = _library()


class Program:
    """A program at the hub that loads tables or images, or says that it cannot."""

    def __init__(self, name: str, kinds: tuple[str, ...], able: bool = True) -> None:
        self.able, self.loaded, self.seen = able, list[Any](), threading.Event()
        self.client = samp.SAMPIntegratedClient(name=name, addr="127.0.0.1")
        self.client.connect()
        for kind in kinds:
            self.client.bind_receive_call(kind, self.load)

    def load(self, key: str, sender: str, message: str, kind: str, parameters: dict[str, str], extra: Any) -> None:
        path = unquote(parameters["url"].removeprefix("file://"))
        if self.able:
            self.loaded.append(fits.getdata(path) if kind.startswith("image") else Table.read(path))
            self.client.ereply(message, samp.SAMP_STATUS_OK, result={})
        else:
            self.client.ereply(message, samp.SAMP_STATUS_ERROR, error={"samp.errortxt": "no room"})


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SAMP_HUB", raising=False)
    return tmp_path


@pytest.fixture
def hub(home: Path) -> Iterator[Any]:
    server = samp.SAMPHubServer(web_profile=False, mode="single", addr="127.0.0.1", lockfile=str(home / ".samp"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def topcat(hub: Any) -> Iterator[Program]:
    program = Program("topcat", ("table.load.votable", "table.load.fits"))
    yield program
    program.client.disconnect()


def table(folder: Path) -> Path:
    rows = pd.DataFrame({"object_id": ["a", "b"], "ra": [1.0, 2.0], "dec": [3.0, np.nan]})
    write_described(rows, folder / "objects.parquet", TableMeaning("objects"), ("ecsv", "fits"))
    rows.to_csv(folder / "objects.csv", index=False)
    return folder


@pytest.mark.parametrize("name", ["objects.parquet", "objects.ecsv", "objects.fits", "objects.csv"])
def test_a_table_of_any_kind_arrives_with_its_units(topcat: Program, home: Path, name: str) -> None:
    sent = SendCommand(str(table(home) / name), to="TOPCAT").run()
    assert sent["programs"] == ["topcat"] and sent["failed"] == 0
    [got] = topcat.loaded
    assert got["ra"].tolist() == [1.0, 2.0]
    assert str(got["ra"].unit) == ("None" if name == "objects.csv" else "deg")
    assert not list(home.glob("astrid-send-*"))


def test_an_image_goes_to_programs_that_take_images(topcat: Program, home: Path) -> None:
    ds9 = Program("SAOImage DS9", ("image.load.fits",))
    try:
        image = np.arange(12.0).reshape(3, 4)
        fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(image)]).writeto(home / "a b.fits")
        assert SendCommand(str(home / "a b.fits")).run()["programs"] == ["SAOImage DS9"]
        with pytest.raises(UserError, match="topcat that takes image"):
            SendCommand(str(home / "a b.fits"), to="topcat").run()
    finally:
        ds9.client.disconnect()


def test_a_program_that_cannot_load_it_counts_as_failed(hub: Any, home: Path) -> None:
    full = Program("aladin", ("table.load.votable",), able=False)
    try:
        sent = SendCommand(str(table(home) / "objects.csv"), to="aladin").run()
        assert sent["failed"] == 1 and sent["refused"] == {"aladin": "no room"}
        with pytest.raises(UserError, match="these programs at the hub: aladin"):
            SendCommand(str(table(home) / "objects.csv"), to="ds9").run()
    finally:
        full.client.disconnect()


def test_without_a_hub_the_message_says_what_to_start(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = str(table(home) / "objects.csv")
    with pytest.raises(UserError, match=r"none is running.*start TOPCAT, Aladin or DS9"):
        SendCommand(file).run()
    (home / ".samp").write_text("# nothing\n")
    with pytest.raises(UserError, match="the file of a SAMP hub"):
        SendCommand(file).run()
    (home / ".samp").write_text("samp.secret=x\nsamp.hub.xmlrpc.url=http://127.0.0.1:9/\nsamp.profile.version=1.3\n")
    with pytest.raises(UserError, match="one that does not answer"):
        SendCommand(file).run()
    monkeypatch.setenv("SAMP_HUB", "std-lockurl:http://example.org/samp")
    with pytest.raises(UserError, match=r"one at http://example\.org/samp"):
        SendCommand(file).run()


def test_nothing_goes_to_another_machine(home: Path) -> None:
    (home / ".samp").write_text("samp.secret=x\nsamp.hub.xmlrpc.url=http://192.0.2.1:21012/\n")
    with pytest.raises(UserError, match=r"192\.0\.2\.1"):
        SendCommand(str(table(home) / "objects.csv")).run()
    assert not is_loopback("nonsense") and is_loopback("http://[::1]:3/")


def test_a_file_that_is_not_there_is_named(home: Path) -> None:
    with pytest.raises(UserError, match="input=TABLE"):
        SendCommand(str(home / "none.csv")).run()
