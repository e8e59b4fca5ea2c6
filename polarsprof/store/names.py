"""Names of files: safe on every system, and never the same for two panes.

- `<slug>_profile.<label>.bin` is the plain name of a window.
- `<slug>_profile.<label>.<writer id>-<number>.bin` is the own name of a pane.
- `<slug>_profile.<label>.<digest>-<panes>c.bin` is the name of a compacted file; the digest covers its window and the
  ids of its panes.

So an own or compacted name never has two contents. Imports nothing of the store.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from math import gcd
from typing import TYPE_CHECKING, Final

from polarsprof.errors import argument_error
from polarsprof.windowing.durations import DAY_US, SECOND_US, Interval
from polarsprof.windowing.tumbling import Tumbling

if TYPE_CHECKING:
    from collections.abc import Iterable

    from polarsprof.windowing.tumbling import Window

SIDECAR_FOLDER: Final = ".catalog"  # indexes, epochs, locks and plans; never listed as panes
WRITERS_FOLDER: Final = ".writers"
_SAFE_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_RESERVED: Final = re.compile(r"con|prn|aux|nul|com[0-9]|lpt[0-9]")  # device names of Windows
_INFIX: Final = "_profile."
_SUFFIX: Final = ".bin"
_LABEL: Final = re.compile(r"[0-9]{4}(?:-[0-9]{2}){2}(?:_[0-9]{2}(?:-[0-9]{2}){0,2})?")
_TEMPORARY: Final = re.compile(r"\..+-[0-9]+-[0-9a-f]{8}\.tmp", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Pane:
    """A sealed profile as bytes, with the parts of its file name.

    Attributes
    ----------
    data
        The bytes of the profile file.
    dataset
        Name of the data set.
    label
        The start of the window, as file names show it.
    writer_id, number
        Identify the pane: no two panes share both.
    rows
        Number of rows.
    """

    data: bytes
    dataset: str
    label: str
    writer_id: str
    number: int
    rows: int


def slug(name: str) -> str:
    """The data set's name in file names: unchanged if safe, else letters and a digest."""
    if _SAFE_NAME.fullmatch(name) and not _RESERVED.fullmatch(name) and _INFIX.strip(".") not in name:
        return name
    letters = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40]
    return f"{letters}-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}".lstrip("-")


def prefix_of(name: str) -> str:
    """The prefix that the file names of one data set share, and no other file has.

    Raises
    ------
    ArgumentError
        If `name` is not text.
    """
    if not isinstance(name, str):
        raise argument_error("name", name, "the name of a data set")
    return slug(name) + _INFIX


def slug_in(file: str) -> str:
    """The slug at the start of the name of a file."""
    return file.partition(_INFIX)[0]


def is_pane(file: str) -> bool:
    """Returns whether a file of this name can be a pane."""
    return file.endswith(_SUFFIX) and _INFIX in file and file[0] != "."


def plain_name(pane: Pane) -> str:
    """The name of the first pane of a window."""
    return f"{prefix_of(pane.dataset)}{pane.label}{_SUFFIX}"


def own_name(pane: Pane) -> str:
    """The name of this pane alone; no other pane ever has it."""
    return f"{prefix_of(pane.dataset)}{pane.label}.{pane.writer_id}-{pane.number}{_SUFFIX}"


def compacted_name(prefix: str, label: str, window: Window, ids: Iterable[tuple[str, int]]) -> str:
    """The name of the file that merges these panes, the same for every compactor.

    Parameters
    ----------
    prefix, label
        The prefix of the data set, and the start of the window as text.
    window
        The window of the merged file.
    ids
        Writer id and number of each pane.
    """
    panes = sorted(ids)
    digest = hashlib.sha256(repr((window.start_us, window.end_us, panes)).encode()).hexdigest()
    return f"{prefix}{label}.{digest[:16]}-{len(panes)}c{_SUFFIX}"


def label_of(window: Window, file: str) -> str:
    """The label of a file's window: the one in its name, else its start.

    The start is exact to the second. The format of the label is the coarsest one that fits both the start and the
    length of the window.
    """
    label = file.partition(_INFIX)[2].partition(".")[0]
    if _LABEL.fullmatch(label):
        return label
    start_us = window.start_us // SECOND_US * SECOND_US
    length_us = gcd(max(SECOND_US, window.end_us - window.start_us) // SECOND_US * SECOND_US, DAY_US)
    return Tumbling(Interval(length_us), origin_us=start_us).label(window)


def temporary_of(pane: Pane) -> str:
    """A new name for the pane while it is written."""
    return f".{pane.writer_id}-{pane.number}-{secrets.token_hex(4)}.tmp"


def is_temporary(file: str) -> bool:
    """Returns whether `temporary_of` makes names of this form."""
    return _TEMPORARY.fullmatch(file) is not None


def sidecar_name(dataset: str, kind: str) -> str:
    """The name of a sidecar: a small file beside the panes of a data set.

    Parameters
    ----------
    dataset
        Name of the data set.
    kind
        The suffix: "index", "epoch", "lock", "plan", or a temporary one.
    """
    return f"{SIDECAR_FOLDER}/{slug(dataset)}.{kind}"
