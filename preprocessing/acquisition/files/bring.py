"""Many files at a time: bounded, resumed, each failure of one file its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from filelock import SoftFileLease, Timeout

from astrid_ml.errors import UserError
from astrid_ml.pipeline.lock import LEASE
from astrid_ml.preprocessing.acquisition.archives.archive import Product
from astrid_ml.preprocessing.acquisition.client.client import ArchiveClient
from astrid_ml.preprocessing.acquisition.client.download import Told, fetch, part_of
from astrid_ml.preprocessing.acquisition.client.errors import AbsentError, ArchiveError
from astrid_ml.preprocessing.acquisition.client.room import DiskRoom
from astrid_ml.preprocessing.acquisition.client.stop import asking_threads
from astrid_ml.preprocessing.acquisition.targets.file_names import plain, short_digest
from astrid_ml.progress import Progress


@dataclass(frozen=True)
class Brought:
    """What became of the files that were asked for.

    Args:
        files: product -> the file on this disk.
        failed: product -> why there is none.
        bytes: that came over the network now.
        before: files that lay there already.
        absent: of those that failed, the ones that the archive does not have: asking again does not help.
    """

    files: Mapping[Product, Path] = field(default_factory=dict)
    failed: Mapping[Product, str] = field(default_factory=dict)
    bytes: int = 0
    before: int = 0
    absent: frozenset[Product] = frozenset()


@dataclass(frozen=True)
class BringFiles:
    """Bring files of archives into a folder.

    Args:
        client: how archives are asked; it holds the pace of each host.
        at_once: files at the same time.
        budget: bytes in all; None: as much as fits.
        keep_free: bytes that must stay free on the disk.
        patience: seconds to wait for another run that downloads into the folder.
    """

    client: ArchiveClient
    at_once: int = 8
    budget: int | None = None
    keep_free: int = 1 << 30
    patience: float = 10.0

    def __post_init__(self) -> None:
        if self.at_once < 1:
            raise UserError("at_once of at least 1", str(self.at_once), "eight are usual")

    def __call__(self, products: Sequence[Product], folder: Path) -> Brought:
        """Bring them; a file that the archive does not have, or that never comes whole, fails alone.

        Args:
            products: each once; several of one address are brought once.
            folder: made; files keep their names, below a folder of their observation.

        Raises:
            UserError: no room, another run in this folder, a host that is not allowed.
        """
        folder.mkdir(parents=True, exist_ok=True)
        # A lease: one that a killed run left is taken over, and none is left by a run that ended.
        lock = SoftFileLease(folder / ".bringing.lock", lease_duration=LEASE, thread_local=False)
        try:
            lock.acquire(timeout=self.patience)
        except Timeout as error:
            got = f"another run downloads into {folder}"
            raise UserError(
                "a folder of its own for each download", got, "wait for it, or name another folder"
            ) from error
        try:
            return self._bring(list(dict.fromkeys(products)), folder)
        finally:
            lock.release()

    def _bring(self, products: Sequence[Product], folder: Path) -> Brought:
        places = {product: place_of(product, folder) for product in products}
        there = {product for product, path in places.items() if path.is_file()}
        missing = [product for product in products if product not in there]
        room = DiskRoom(folder, self.budget, self.keep_free)
        sizes = {product: _left(product, places[product]) for product in missing}
        room.ask(sum(size for size in sizes.values() if size is not None))
        failed: dict[Product, str] = {}
        absent: set[Product] = set()
        with (
            Progress("downloading", max(1, sum(size or 0 for size in sizes.values())), unit="B") as progress,
            asking_threads(self.at_once) as threads,
        ):
            waiting = iter(missing)
            running: dict[Future[None], Product] = {}
            while True:
                for product in waiting:
                    told = progress.step if product.bytes is not None else None
                    work = threads.submit(
                        _fetch,
                        self.client,
                        product,
                        places[product],
                        room,
                        told,
                    )
                    running[work] = product
                    if len(running) >= self.at_once:
                        break
                if not running:
                    break
                for work in wait(running, return_when=FIRST_COMPLETED).done:
                    product = running.pop(work)
                    try:
                        work.result()
                    except ArchiveError as error:
                        absent |= {product} if isinstance(error, AbsentError) else set()
                        failed[product] = f"expected {error.expected}; got {error.got}"
        files = {product: path for product, path in places.items() if product not in failed}
        return Brought(files, failed, room.taken, len(there), frozenset(absent))


def _fetch(client: ArchiveClient, product: Product, path: Path, room: DiskRoom, told: Told | None) -> None:
    """Bring a file from its first address that gives it.

    Raises:
        ArchiveError: none does; what went wrong at the first one.
    """
    first: ArchiveError | None = None
    for address in product.addresses:
        try:
            return fetch(client, address, path, product.bytes, product.checksum, room, told)
        except ArchiveError as error:
            first = first or error
    assert first is not None
    raise first


def place_of(product: Product, folder: Path) -> Path:
    """Where a file of an archive goes: names of observations and files become names of folders and files.

    Cut-outs of one frame around two targets have one name and two addresses: a digest of both tells them apart. The
    server is no part of it, since a simulated archive has another port each time, nor is an address that does not last.

    Args:
        product: of an archive; its names are not trusted.
        folder: below which all lie.

    Example:
        >>> place_of(Product("HST/u1", "../../a b.fits", "http://x"), Path("raw")).as_posix()
        'raw/HST_u1-4c37dd3c/_.._a_b.fits'
    """
    parts = urlsplit(product.url)
    address = f"{parts.path}?{parts.query}" if product.lasts else ""
    which = short_digest(product.observation, product.name, address)
    return folder / f"{plain(product.observation)}-{which}" / plain(product.name)


def _left(product: Product, path: Path) -> int | None:
    """Bytes that must still come, as far as the archive says."""
    if product.bytes is None:
        return None
    part = part_of(path)
    return max(0, product.bytes - (part.stat().st_size if part.is_file() else 0))
