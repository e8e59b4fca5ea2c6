"""Names of files: safe on every system whatever the data set is called, and never the same for two panes.

`<slug>_profile.<label>.bin` is the plain name of a window, `<slug>_profile.<label>.<writer id>-<number>.bin` the own
one of a pane, `<slug>_profile.<label>.<digest>-<panes>c.bin` that of a compacted file, whose digest stands for its
window and all its panes. So an own or compacted name is never used for two contents. Imports nothing of the store.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import date, datetime, time
from math import gcd
from typing import TYPE_CHECKING, Final

from polarsprof.errors import argument_error
from polarsprof.windowing.durations import Interval
from polarsprof.windowing.instants import utc_us
from polarsprof.windowing.tumbling import Tumbling, Window

if TYPE_CHECKING:
    from collections.abc import Iterable

    Moment = datetime | date | str

CATALOG: Final = ".catalog"  # what is derived from the panes, and locks; never listed as panes
WRITERS: Final = ".writers"
_SAFE_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_RESERVED: Final = re.compile(r"con|prn|aux|nul|com[0-9]|lpt[0-9]")  # device names of Windows
_INFIX: Final = "_profile."
_SUFFIX: Final = ".bin"
_LABEL: Final = re.compile(r"[0-9]{4}(?:-[0-9]{2}){2}(?:_[0-9]{2}(?:-[0-9]{2}){0,2})?")
_TEMPORARY: Final = re.compile(r"\..+-[0-9]+-[0-9a-f]{8}\.tmp", re.DOTALL)
_SECOND_US: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Pane:
    """A sealed profile in bytes, with what its file name says."""

    data: bytes
    dataset: str
    label: str
    writer_id: str
    number: int
    rows: int


def slug(name: str) -> str:
    """The data set's name in file names: as it is where that is safe everywhere, else readable letters and a digest."""
    if _SAFE_NAME.fullmatch(name) and not _RESERVED.fullmatch(name) and _INFIX.strip(".") not in name:
        return name
    letters = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40]
    return f"{letters}-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}".lstrip("-")


def prefix_of(name: str) -> str:
    """How the names of all files of a data set begin, and of no other."""
    if not isinstance(name, str):
        raise argument_error("name", name, "the name of a data set")
    return slug(name) + _INFIX


def slug_in(file: str) -> str:
    """The slug at the start of the name of a file."""
    return file.partition(_INFIX)[0]


def is_pane(file: str) -> bool:
    """Whether a file of this name is looked at."""
    return file.endswith(_SUFFIX) and _INFIX in file and file[0] != "."


def plain_name(pane: Pane) -> str:
    """The name of the first pane of a window."""
    return f"{prefix_of(pane.dataset)}{pane.label}{_SUFFIX}"


def own_name(pane: Pane) -> str:
    """The name that no other pane ever has."""
    return f"{prefix_of(pane.dataset)}{pane.label}.{pane.writer_id}-{pane.number}{_SUFFIX}"


def compacted_name(prefix: str, label: str, window: Window, ids: Iterable[tuple[str, int]]) -> str:
    """The name that a file of this window and these panes has, whoever makes it."""
    panes = sorted(ids)
    digest = hashlib.sha256(repr((window.start_us, window.end_us, panes)).encode()).hexdigest()
    return f"{prefix}{label}.{digest[:16]}-{len(panes)}c{_SUFFIX}"


def label_of(window: Window, file: str) -> str:
    """How the name of a file shows its window: as that name does, else by its start, no coarser than it begins."""
    shown = file.partition(_INFIX)[2].partition(".")[0]
    if _LABEL.fullmatch(shown):
        return shown
    start_us = window.start_us // _SECOND_US * _SECOND_US
    length_us = gcd(max(_SECOND_US, window.end_us - window.start_us) // _SECOND_US * _SECOND_US, 86_400 * _SECOND_US)
    return Tumbling(Interval(length_us), origin_us=start_us).label(window)


def temporary_of(pane: Pane) -> str:
    """A name for the pane while it is written."""
    return f".{pane.writer_id}-{pane.number}-{secrets.token_hex(4)}.tmp"


def is_temporary(file: str) -> bool:
    """Whether a file of this name is one of `temporary_of`."""
    return _TEMPORARY.fullmatch(file) is not None


def kept_name(name: str, kind: str) -> str:
    """The name of what is kept beside the panes of a data set."""
    return f"{CATALOG}/{slug(name)}.{kind}"


def instant_us(name: str, moment: Moment | None) -> int | None:
    """Microseconds since the Unix epoch of an argument that says an instant; None stays None."""
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
