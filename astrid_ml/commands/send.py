"""``astrid send``: a table or an image to the programs that astronomers look with, by SAMP (IVOA, 1.3)."""

from __future__ import annotations

import importlib
import importlib.util
import os
import tempfile
import warnings
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import unquote, urlsplit

from astrid_ml.described.columns import TableMeaning
from astrid_ml.described.formats import SUFFIXES, write_formats
from astrid_ml.errors import UserError
from astrid_ml.fits_headers import open_checked
from astrid_ml.found import found
from astrid_ml.reasons import shortened
from astrid_ml.tables import read_table
from astrid_ml.types import Existing, InUnits, Positive

if TYPE_CHECKING:
    from astropy.samp import SAMPIntegratedClient

IMAGE, FITS_TABLE, VOTABLE = "image.load.fits", "table.load.fits", "table.load.votable"
START = "start TOPCAT, Aladin or DS9 on this machine, and type it again"


@dataclass(frozen=True)
class SendCommand:
    """Send a file to programs on this machine; nothing leaves it.

    A FITS file whose first HDU with data is an image goes as an image; every other kind of table goes as a VOTable,
    with units, descriptions and UCDs.

    Args:
        input: the file.
        to: a part of the name of the program; None: all that take such a file.
        timeout: seconds that a program has to load it.
    """

    input: Existing
    to: str | None = None
    timeout: Annotated[Positive, InUnits("s")] = 30.0

    def run(self) -> dict[str, Any]:
        """Send and wait for the answers; ``failed`` counts programs that could not load it.

        Raises:
            UserError: no file, no hub, a hub elsewhere, no program of that name, or none that takes such a file.
        """
        path = Path(self.input).absolute()
        if not path.is_file():
            raise UserError("input=TABLE or input=IMAGE.fits", found(path), "check the path")
        with tempfile.TemporaryDirectory(prefix="astrid-send-") as folder:
            kind, file = message_of(path, Path(folder))
            client = _connected()
            try:
                answers = self._answers(client, kind, file, path.name)
            finally:
                client.disconnect()
        refused = {name: said for name, said in answers.items() if said != "samp.ok"}
        return {"sent": kind, "programs": list(answers), "failed": len(refused), "refused": refused}

    def _answers(self, client: SAMPIntegratedClient, kind: str, file: Path, name: str) -> dict[str, str]:
        message = {"samp.mtype": kind, "samp.params": {"url": file.as_uri(), "name": name, "table-id": str(file)}}
        answers = {}
        for program, called in self._programs(client, kind).items():
            try:
                reply = client.call_and_wait(program, message, str(round(self.timeout)))
                error = reply.get("samp.error") or {}
                answers[called] = str(error.get("samp.errortxt") or reply.get("samp.status"))
            except Exception as error:  # what a program or the connection raises is the answer
                answers[called] = str(error).strip() or type(error).__name__
        return answers

    def _programs(self, client: SAMPIntegratedClient, kind: str) -> dict[str, str]:
        """Ids of the programs that are meant, with their names."""
        known = {program: _name(client, program) for program in client.get_registered_clients()}
        takes = [program for program in client.get_subscribed_clients(kind) if program in known]
        # The hub is a program too; its name ends so in every implementation.
        names = ", ".join(sorted(name for name in known.values() if not name.endswith("Hub"))) or "none"
        wanted = (self.to or "").casefold()
        meant = {program: known[program] for program in takes if wanted in known[program].casefold()}
        if not meant:
            expected = f"a program {self.to} that takes {kind}" if self.to else f"a program that takes {kind}"
            raise UserError(expected, f"these programs at the hub: {names}", START)
        return meant


def message_of(path: Path, folder: Path) -> tuple[str, Path]:
    """The kind of message that a file goes in, and the file that it names.

    Args:
        path: of the user, which is named itself where programs read it as it is.
        folder: for a VOTable where they do not.

    Raises:
        UserError: no table and no image.
    """
    with path.open("rb") as stream:
        head = stream.read(6)
    if head == b"SIMPLE":
        return (IMAGE if _is_image(path) else FITS_TABLE), path
    read = read_table(path, {})
    target = folder / path.with_suffix(".parquet").name
    meaning = TableMeaning(None, own={str(name): meaning for name, meaning in read.meanings.items()})
    write_formats(read.rows, target, meaning, ("votable",))
    return VOTABLE, target.with_suffix(SUFFIXES["votable"])


def _is_image(path: Path) -> bool:
    from astrid_ml.readable import reading

    with reading(path), open_checked(path, memmap=None) as hdus:
        first = next((hdu for hdu in hdus if hdu.header.get("NAXIS", 0) > 0), None)
        return first is None or first.is_image


def _connected() -> SAMPIntegratedClient:
    """A client of the hub of this machine.

    Raises:
        UserError: there is none, or it is on another machine.
    """
    address = _address()
    if not is_loopback(address):
        raise UserError("a SAMP hub on this machine", f"one at {shortened(address, 80)}", START)
    samp = _library()
    client: SAMPIntegratedClient = samp.SAMPIntegratedClient(
        name="astrid", description="Tables and images of astrid_ml", addr="127.0.0.1"
    )
    try:
        client.connect()
    except (samp.SAMPHubError, OSError) as error:  # a hub that was killed leaves its file
        raise UserError("a SAMP hub on this machine", "the file of one that does not answer", START) from error
    return client


def _address() -> str:
    """Where the hub listens: its lock file says so (SAMP 1.3, section 4.1.1).

    Raises:
        UserError: there is no such file.
    """
    stated = os.environ.get("SAMP_HUB", "")
    place = stated.removeprefix("std-lockurl:")
    if place and urlsplit(place).scheme not in ("", "file"):
        return place  # of another machine
    lock = Path(unquote(urlsplit(place).path)) if place else Path.home() / ".samp"
    if not lock.is_file():
        raise UserError("a SAMP hub on this machine", "none is running", START)
    lines = (line.strip().partition("=") for line in lock.read_text(encoding="utf-8", errors="replace").splitlines())
    said = {name: value for name, _, value in lines}
    if "samp.hub.xmlrpc.url" not in said:
        raise UserError("the file of a SAMP hub", found(lock), f"remove it; {START}")
    return said["samp.hub.xmlrpc.url"]


def _library() -> Any:
    """SAMP moves from astropy to pyvo, where it is installed already."""
    if importlib.util.find_spec("pyvo.samp" if importlib.util.find_spec("pyvo") else "pyvo"):
        return importlib.import_module("pyvo.samp")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="astropy.samp was deprecated")
        return importlib.import_module("astropy.samp")


def is_loopback(address: str) -> bool:
    """Whether an address is of this machine alone.

    >>> is_loopback("http://127.0.0.1:2112/"), is_loopback("http://localhost:1/"), is_loopback("http://10.0.0.2:1/")
    (True, True, False)
    """
    host = urlsplit(address).hostname or ""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _name(client: SAMPIntegratedClient, program: str) -> str:
    return str(client.get_metadata(program).get("samp.name", program))
