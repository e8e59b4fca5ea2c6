"""Arguments of `ProfileStore`: URLs → backends, bounds of a range → instants."""

from __future__ import annotations

import os
from datetime import date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from polarsprof.errors import argument_error
from polarsprof.store.local import LocalBackend
from polarsprof.store.object_store import SCHEMES, ObjectStoreBackend
from polarsprof.windowing.instants import utc_us

if TYPE_CHECKING:
    from collections.abc import Mapping

Moment: TypeAlias = datetime | date | str
"""An instant as users write it: a datetime (UTC if without a zone), a date (its midnight), or ISO 8601 text."""


def backend_of(
    url: object, spool: str | os.PathLike[str] | None, options: Mapping[str, object]
) -> LocalBackend | ObjectStoreBackend:
    """The backend of a URL, with the spool and the options of an object store.

    Raises
    ------
    ArgumentError
        If the URL has another scheme, a file exists at the path, or a folder is given options.
    PolarsprofError
        If the URL needs a package that is not installed. The message names the extra.
    """
    expected = "the path of a folder, or the URL of an object store"
    if not isinstance(url, str | os.PathLike) or not isinstance(os.fspath(url), str) or not os.fspath(url):
        raise argument_error("url", url, expected)
    text = os.fspath(url)
    if text.partition("://")[0] in SCHEMES and "://" in text:
        return ObjectStoreBackend(text, None if spool is None else Path(spool), options)
    text = text.removeprefix("file://")
    if "://" in text or "\0" in text:
        raise argument_error("url", url, f"{expected}: {', '.join(f'{scheme}://' for scheme in ('file', *SCHEMES))}")
    if options or spool is not None:
        raise argument_error("url", url, "the URL of an object store", "a folder takes no options")
    folder = Path(text)
    if folder.exists() and not folder.is_dir():
        raise argument_error("url", url, "a folder", "a file lies there")
    return LocalBackend(folder)


def range_us(start: Moment | None, end: Moment | None) -> tuple[int | None, int | None]:
    """A range in microseconds since the Unix epoch; None stays None.

    Raises
    ------
    ArgumentError
        If a bound is no instant, or the end is not after the start.
    """
    start_us, end_us = _instant_us("start", start), _instant_us("end", end)
    if start_us is not None and end_us is not None and start_us >= end_us:
        raise argument_error("end", end, f"an instant after start, {start}")
    return start_us, end_us


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
