"""A folder of panes: immutable files in, windows and ranges out.

A pane is put atomically and only if absent: written to a temporary file, synced, linked to its name, the folder synced.
The first pane of a window has the plain name, `<dataset>_profile.<window>.bin`; later ones carry the writer's id and
the number of the pane, so that no two writers and no restart ever overwrite each other.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from polarsprof.errors import CorruptProfile, UnsupportedVersion, argument_error
from polarsprof.profiles import Profile, merge, names_of_columns, read
from polarsprof.window import Window, utc_us

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    Moment = datetime | date | str

_SAFE_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_RESERVED: Final = re.compile(r"con|prn|aux|nul|com[0-9]|lpt[0-9]")  # device names of Windows
_TEMPORARY: Final = re.compile(r"\.(?P<writer>.+)-[0-9]+-[0-9a-f]{8}\.tmp", re.DOTALL)
_INFIX: Final = "_profile."
_SUFFIX: Final = ".bin"
_NO_LINKS: Final = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)


@dataclass(frozen=True, slots=True)
class Pane:
    """A sealed profile in bytes, with what its file name says."""

    data: bytes
    dataset: str
    label: str
    writer_id: str
    number: int
    rows: int


class ProfileStore:
    """Panes in a folder, found again by data set and time.

    Parameters
    ----------
    url
        The folder, as a path or a `file://` URL; it is made when the first pane comes.

    Raises
    ------
    ArgumentError
        For another kind of URL, or a path that is a file.
    """

    def __init__(self, url: str | os.PathLike[str]) -> None:
        if not isinstance(url, str | os.PathLike) or not os.fspath(url):
            raise argument_error("url", url, "the path of a folder")
        text = os.fspath(url).removeprefix("file://")
        if "://" in text or "\0" in text:
            raise argument_error("url", url, "the path of a folder or a file:// URL")
        self._folder = Path(text)
        if self._folder.exists() and not self._folder.is_dir():
            raise argument_error("url", url, "a folder", "a file lies there")

    def __repr__(self) -> str:
        return f"ProfileStore({str(self._folder)!r})"

    @property
    def folder(self) -> Path:
        """Where the panes lie."""
        return self._folder

    @property
    def state_folder(self) -> Path:
        """Where writers keep what is on its way into the store."""
        return self._folder / ".writers"

    def datasets(self) -> list[str]:
        """Names of the data sets with at least one pane, sorted.

        Raises
        ------
        CorruptProfile, UnsupportedVersion, OSError
            Where no file of a data set can be read; the text names one.
        """
        files_of: defaultdict[str, list[Path]] = defaultdict(list)
        for path in self._files(""):
            files_of[path.name.partition(_INFIX)[0]].append(path)
        return sorted(map(_dataset_of, files_of.values()))

    def windows(self, name: str) -> list[Window]:
        """The windows of a data set that hold panes, in the order of time.

        Raises
        ------
        ArgumentError
            For a data set without any pane.
        """
        ends: dict[int, int] = {}
        for _, window, _ in self._panes_of(name):
            ends[window.start_us] = max(window.end_us, ends.get(window.start_us, window.end_us))
        return [Window(start_us, end_us) for start_us, end_us in sorted(ends.items())]

    def read(
        self,
        name: str,
        start: Moment | None = None,
        end: Moment | None = None,
        *,
        columns: Iterable[str] | None = None,
    ) -> Profile:
        """The merged profile of all windows that overlap [start, end).

        Parameters
        ----------
        name
            The data set.
        start, end
            Instants: a datetime (without a zone: UTC), a date or ISO text; None: from the first, to the last window.
        columns
            Names of the columns to read; default all.

        Returns
        -------
        Profile
            Its `window` spans the windows read; an empty profile where the range holds none. A pane that lies in the
            folder twice counts once.

        Raises
        ------
        ArgumentError
            For a data set without any pane, an instant that is none, or an end that is not after its start.
        CorruptProfile
            For a pane that cannot be read; the text names its file.
        """
        start_us, end_us = _instant_us("start", start), _instant_us("end", end)
        if start_us is not None and end_us is not None and start_us >= end_us:
            raise argument_error("end", end, f"an instant after start, {start}")
        wanted = names_of_columns(columns)
        panes = sorted(self._panes_of(name), key=lambda pane: -len(pane[2]))  # files of many panes before their copies
        overlapping = ((path, ids) for path, window, ids in panes if window.overlaps(start_us, end_us))
        merged = merge(_each_once(overlapping, wanted))
        merged.dataset = name
        return merged

    def files(self, name: str) -> list[Path]:
        """The files of a data set, sorted by name; none for one that is not there."""
        if not isinstance(name, str):
            raise argument_error("name", name, "the name of a data set")
        return list(self._files(slug(name) + _INFIX))

    def put(self, pane: Pane) -> Path:
        """Make a pane durable and return its file; a pane that lies there already is left alone.

        Raises
        ------
        OSError
            Where the folder does not take it; nothing but complete panes is left behind.
        """
        _make_folder(self._folder)
        temporary = self._folder / f".{pane.writer_id}-{pane.number}-{os.urandom(4).hex()}.tmp"
        try:
            _write_synced(temporary, pane.data)
            target = self._publish(temporary, pane)
        finally:
            temporary.unlink(missing_ok=True)
        _sync_folder(self._folder)
        return target

    def sweep(self, is_alive: Callable[[str], bool]) -> int:
        """Remove the temporary files of writers that are not alive, told by their ids; how many there were."""
        swept = 0
        with suppress(FileNotFoundError, NotADirectoryError):
            for path in self._folder.iterdir():
                found = _TEMPORARY.fullmatch(path.name)
                if found and not is_alive(found["writer"]):
                    path.unlink(missing_ok=True)  # another sweeper may have been faster
                    swept += 1
        return swept

    def _publish(self, temporary: Path, pane: Pane) -> Path:
        stem = f"{slug(pane.dataset)}{_INFIX}{pane.label}"
        unique = self._folder / f"{stem}.{pane.writer_id}-{pane.number}{_SUFFIX}"
        for target in (self._folder / f"{stem}{_SUFFIX}", unique):
            try:
                os.link(temporary, target)
            except FileExistsError:
                if _holds(target, pane):
                    return target
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                temporary.replace(unique)  # no other writer ever uses this name
                return unique
            else:
                return target
        msg = f"{unique}: a file of this name holds another pane"
        raise FileExistsError(errno.EEXIST, msg)

    def _files(self, prefix: str) -> Iterator[Path]:
        if self._folder.is_dir():
            with os.scandir(self._folder) as entries:  # a folder, a pipe or a broken link is no pane
                names = sorted(entry.name for entry in entries if entry.is_file())
            for name in names:
                if name.startswith(prefix) and name[0] != "." and _INFIX in name and name.endswith(_SUFFIX):
                    yield self._folder / name

    def _panes_of(self, name: str) -> list[tuple[Path, Window, frozenset[tuple[str, int]]]]:
        panes = list(self._panes(name))
        if not panes:
            raise argument_error("name", name, f"one of {self.datasets()}")
        return panes

    def _panes(self, name: str) -> Iterator[tuple[Path, Window, frozenset[tuple[str, int]]]]:
        for path in self.files(name):
            profile = _header_of(path)
            if profile.dataset == name and profile.window is not None:
                yield path, profile.window, profile.panes


def _dataset_of(paths: list[Path]) -> str:
    """The name of the data set that the files are of, from the first that can be read."""
    for path in paths[:-1]:
        with suppress(CorruptProfile, UnsupportedVersion, OSError):
            return _header_of(path).dataset
    return _header_of(paths[-1]).dataset


def _header_of(path: Path) -> Profile:
    """The facts of a file, without its columns."""
    return read(path, columns=())


def _each_once(
    panes: Iterable[tuple[Path, frozenset[tuple[str, int]]]], columns: list[str] | None
) -> Iterator[Profile]:
    """The profiles of the files, those left out whose panes all came before."""
    seen: set[tuple[str, int]] = set()
    for path, ids in panes:
        if not ids or not ids <= seen:
            profile = read(path, columns=columns)
            seen |= profile.panes
            yield profile


def _holds(target: Path, pane: Pane) -> bool:
    # What cannot be read is not ours: another user's, of a newer version, damaged, no file at all.
    try:
        return target.is_file() and (pane.writer_id, pane.number) in _header_of(target).panes
    except (CorruptProfile, UnsupportedVersion, OSError):
        return False


def slug(name: str) -> str:
    """The data set's name in file names: as it is where that is safe everywhere, else readable letters and a digest."""
    if _SAFE_NAME.fullmatch(name) and not _RESERVED.fullmatch(name) and _INFIX.strip(".") not in name:
        return name
    letters = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40]
    return f"{letters}-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}".lstrip("-")


def _instant_us(name: str, moment: Moment | None) -> int | None:
    if moment is None:
        return None
    if isinstance(moment, str):
        try:
            moment = datetime.fromisoformat(moment)
        except ValueError:
            raise argument_error(name, moment, "ISO 8601 text such as 2026-01-31 or 2026-01-31T12:00Z") from None
    if isinstance(moment, datetime):
        return utc_us(moment, name)
    if isinstance(moment, date):
        return utc_us(datetime.combine(moment, time()), name)
    raise argument_error(name, moment, "a datetime, a date or ISO text")


def _write_synced(path: Path, data: bytes) -> None:
    # What a profile shows of the data is nobody else's business: readable by its owner alone.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _make_folder(folder: Path) -> None:
    """Make a folder and those above it; each is durable once the one that it lies in is synced."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for place in missing:
        _sync_folder(place.parent)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # folders cannot be synced there; a rename is durable by itself
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
