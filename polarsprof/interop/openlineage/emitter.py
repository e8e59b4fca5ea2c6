"""`Lineage`: an OpenLineage event for each pane, to a file or over HTTP; given to a logger as `on_pane`.

A thread of its own sends the events, so a place that is slow or away delays no pane. What cannot be sent is counted,
and told of once; the store has the panes, of which `polarsprof convert --to openlineage` makes the same events again.
"""

from __future__ import annotations

import json
import os
import threading
import time
import warnings
from contextlib import suppress
from io import FileIO, RawIOBase
from queue import Empty, Full, Queue
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from polarsprof.errors import DataWarning, argument_error, plain_text
from polarsprof.files.durable import open_append
from polarsprof.interop.openlineage.event import run_event

if TYPE_CHECKING:
    from collections.abc import Callable

    from polarsprof.profiles.profile import Profile

_MOST_WAITING: Final = 1_000  # events
_TIMEOUT_S: Final = 5.0
_PAUSES_S: Final = (1.0, 5.0)  # before it is tried again
_CLOSING_S: Final = 10.0
_KEY_VARIABLE: Final = "OPENLINEAGE_API_KEY"


class Lineage:
    """Sends an event for each pane that it is called with; a context manager, which waits until they are sent.

    Parameters
    ----------
    place
        A file, to which one line of JSON per pane is appended; or the URL to which each event is posted, such as
        `http://marquez:5000/api/v1/lineage`, with the variable OPENLINEAGE_API_KEY as a bearer token.
    namespace
        That of job and data set, see `Profile.to_openlineage`.

    Raises
    ------
    ArgumentError
        For anything else.
    OSError
        Where the file cannot be opened.

    Attributes
    ----------
    sent, failed
        Events that were taken; and those given up, after three tries, where the server refused them for good, or where
        1,000 waited already.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import polarsprof as pp
    >>> with tempfile.TemporaryDirectory() as folder, Lineage(f"{folder}/events.ndjson") as lineage:
    ...     with pp.Session(folder) as session:
    ...         session.logger("clicks", on_pane=lineage).log({"price": 9.5})
    ...     lineage.close()
    ...     print(Path(folder, "events.ndjson").read_text().count('"COMPLETE"'), lineage.sent, lineage.failed)
    1 1 0
    """

    def __init__(self, place: str | os.PathLike[str], *, namespace: str = "polarsprof") -> None:
        if not isinstance(place, str | os.PathLike):
            raise argument_error("place", place, "the path of a file, or a URL")
        if not plain_text("namespace", namespace):
            raise argument_error("namespace", namespace, "text of one character or more")
        self._place = os.fspath(place)
        self._namespace = namespace
        self._send, self._end = _sender(self._place)
        self.sent = self.failed = 0
        self._lock = threading.Lock()  # guards the numbers
        self._waiting: Queue[bytes | None] = Queue(_MOST_WAITING)
        self._closed = False
        self._over = threading.Event()  # nothing is tried again
        self._process = os.getpid()
        self._thread = threading.Thread(target=self._work, name="polarsprof-lineage", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __call__(self, profile: Profile) -> None:
        """Have an event sent; returns at once."""
        if self._closed:
            self._fail("it came after the end")
            return
        try:
            self._waiting.put_nowait(event_line(profile, namespace=self._namespace))
        except Full:
            self._fail(f"{_MOST_WAITING:,} wait already")

    def close(self) -> None:
        """Wait until all is sent, ten seconds at the most; a second call does nothing."""
        if os.getpid() != self._process or self._closed:  # in a child, the thread is the parent's
            return
        self._closed = True
        until_s = time.monotonic() + _CLOSING_S
        with suppress(Full):
            self._waiting.put(None, timeout=_CLOSING_S)
        self._thread.join(until_s - time.monotonic())
        self._over.set()
        if self._thread.is_alive():
            left = self._taken_back()
            self._waiting.put(None)
            if left:
                self._fail("there was no time left", left)
        else:
            self._end()

    def _taken_back(self) -> int:
        """Take out what waits; how many events that were."""
        events = 0
        with suppress(Empty):
            while True:
                events += self._waiting.get_nowait() is not None
        return events

    def _work(self) -> None:
        while (event := self._waiting.get()) is not None:
            error = self._error_of(event)
            if error is None:
                with self._lock:
                    self.sent += 1
            else:
                with suppress(DataWarning):  # where warnings are errors: there is nobody to catch it
                    self._fail(error)

    def _error_of(self, event: bytes) -> object:
        """Send an event, several times where need be; what went wrong the last time, or None."""
        for pause_s in (*_PAUSES_S, None):
            try:
                self._send(event)
            except Exception as error:  # noqa: BLE001 - whatever the place answers, the stream goes on
                if pause_s is None or _is_refusal(error) or self._over.wait(pause_s):
                    return error
            else:
                return None
        raise AssertionError

    def _fail(self, why: object, events: int = 1) -> None:
        with self._lock:
            first, self.failed = not self.failed, self.failed + events
        if first:
            text = f"{self._place}: an event of OpenLineage was not sent: {why}; further ones are only counted"
            warnings.warn(text, DataWarning, stacklevel=2)


def event_line(profile: Profile, *, namespace: str = "polarsprof") -> bytes:
    """The event of a profile as a line of JSON, in ASCII."""
    return json.dumps(run_event(profile, namespace=namespace), allow_nan=False).encode() + b"\n"


def _sender(place: str) -> tuple[Callable[[bytes], object], Callable[[], object]]:
    """What sends an event to a place, and what ends that."""
    scheme, separator, _ = place.partition("://")
    if not separator:
        file = FileIO(open_append(place), "ab")
        return lambda event: _append(file, event), file.close
    if scheme not in ("http", "https") or not urlsplit(place).hostname:
        raise argument_error("place", place, "the path of a file, http://… or https://…")
    return lambda event: _post(place, event), lambda: None


def _append(file: RawIOBase, event: bytes) -> None:
    if file.write(event) != len(event):
        raise OSError("only a part of the line could be written")


def _post(url: str, event: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    if key := os.environ.get(_KEY_VARIABLE):
        headers["Authorization"] = f"Bearer {key}"
    request = Request(url, event, headers)  # noqa: S310 - the scheme was checked
    try:
        with urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - the same
            answer.read()
    except HTTPError as error:
        error.close()
        raise


def _is_refusal(error: Any) -> bool:
    """Whether to send it again would be of no use."""
    return isinstance(error, HTTPError) and 400 <= error.code < 500 and error.code not in (408, 429)
