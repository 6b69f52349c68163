"""Several folders of configuration seen as one: ours, those of installed plugins, and one that a command is given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath, PurePosixPath
from typing import Any, Protocol

from astrid_ml.errors import UserError


class Folder(Protocol):
    """What is asked of a folder of configurations, or of a file in it; a :class:`pathlib.Path` has it all.

    Example:
        >>> here: Folder = Path("conf")
        >>> (here / "split" / "group.yaml").stem
        'group'
    """

    def __hash__(self) -> int: ...

    @property
    def name(self) -> str: ...

    @property
    def stem(self) -> str: ...

    def is_file(self) -> bool: ...

    def is_dir(self) -> bool: ...

    def read_text(self, encoding: str | None = None) -> str: ...

    def __truediv__(self, name: str) -> Folder: ...

    @property
    def parent(self) -> Folder: ...

    def with_suffix(self, suffix: str) -> Folder: ...

    def with_name(self, name: str) -> Folder: ...

    def glob(self, pattern: str) -> Iterable[Folder]: ...

    def relative_to(self, other: Any) -> PurePath: ...


@dataclass(frozen=True)
class Layers:
    """One place in several folders at once. A file is that of the first folder which has it, as Hydra takes it.

    Args:
        roots: the folders, the first wins.
        inside: the place below each of them.

    Example:
        >>> import tempfile
        >>> first, second = Path(tempfile.mkdtemp()), Path(tempfile.mkdtemp())
        >>> for root, name in ((first, "a"), (second, "a"), (second, "b")):
        ...     (root / "split").mkdir(exist_ok=True)
        ...     _ = (root / "split" / f"{name}.yaml").write_text(str(root))
        >>> both = Layers((first, second)) / "split"
        >>> [path.stem for path in both.glob("*.yaml")]
        ['a', 'b']
        >>> (both / "a.yaml").read_text() == str(first), (both / "c.yaml").is_file(), both.is_dir()
        (True, False, True)
    """

    roots: tuple[Path, ...]
    inside: PurePosixPath = field(default_factory=PurePosixPath)

    def __truediv__(self, name: str) -> Layers:
        return replace(self, inside=self.inside / name)

    def __str__(self) -> str:
        return str(self.true_path())

    @property
    def name(self) -> str:
        """The last part."""
        return self.inside.name

    @property
    def stem(self) -> str:
        """The last part without its suffix."""
        return self.inside.stem

    @property
    def parent(self) -> Layers:
        """The folder around it, in all folders."""
        return replace(self, inside=self.inside.parent)

    def with_suffix(self, suffix: str) -> Layers:
        """The neighbour with another suffix."""
        return replace(self, inside=self.inside.with_suffix(suffix))

    def with_name(self, name: str) -> Layers:
        """The neighbour of another name."""
        return replace(self, inside=self.inside.with_name(name))

    def relative_to(self, other: Any) -> PurePosixPath:
        """The way from another place in the same folders."""
        return self.inside.relative_to(other.inside)

    def places(self) -> Iterator[Path]:
        """Where it stands in each folder, whether there or not."""
        for root in self.roots:
            yield root / self.inside

    def true_path(self) -> Path:
        """The file or folder that counts; the first place where there is none."""
        return next((place for place in self.places() if place.exists()), self.roots[0] / self.inside)

    def is_file(self) -> bool:
        """Whether one of the folders has such a file."""
        return any(place.is_file() for place in self.places())

    def is_dir(self) -> bool:
        """Whether one of the folders has such a folder."""
        return any(place.is_dir() for place in self.places())

    def read_text(self, encoding: str | None = None) -> str:
        """The text of the file that counts.

        Raises:
            UserError: it cannot be read.
        """
        path = next((place for place in self.places() if place.is_file()), self.roots[0] / self.inside)
        try:
            return path.read_text(encoding=encoding or "utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(
                "a file of configuration that can be read", f"{path}: {error}", "check that file"
            ) from error

    def glob(self, pattern: str) -> Iterator[Layers]:
        """What one of the folders has of this pattern, sorted, each once."""
        found = {
            path.relative_to(root).as_posix() for root in self.roots for path in (root / self.inside).glob(pattern)
        }
        for name in sorted(found):
            yield replace(self, inside=PurePosixPath(name))
