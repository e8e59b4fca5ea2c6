"""`Lineage` writes an OpenLineage event per pane to a file or an HTTP server.

Pass it to a logger as `on_pane`. A background thread sends the events, so a slow or unavailable server delays no pane.
Events that cannot be sent are counted, and the first one warns. The store still has the panes, and
`polarsprof convert --to openlineage` creates the same events again.
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
from typing import TYPE_CHECKING, Final, Self
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from polarsprof.errors import DataWarning, argument_error, plain_text
from polarsprof.files.durable import open_append
from polarsprof.interop.openlineage.event import run_event

if TYPE_CHECKING:
    from collections.abc import Callable

    from polarsprof.profiles.profile import Profile

_MAX_PENDING: Final = 1_000  # events
_TIMEOUT_S: Final = 5.0
_RETRY_PAUSES_S: Final = (1.0, 5.0)
_CLOSE_TIMEOUT_S: Final = 10.0
_KEY_VARIABLE: Final = "OPENLINEAGE_API_KEY"


class Lineage:
    """Sends an event for each pane; a context manager that waits until all are sent.

    Parameters
    ----------
    place
        A file, to which one line of JSON per pane is appended; or a URL, to which each event is posted, such as
        `http://marquez:5000/api/v1/lineage`. The environment variable OPENLINEAGE_API_KEY is the bearer token.
    namespace
        Name space of job and data set; see `Profile.to_openlineage`.

    Raises
    ------
    ArgumentError
        If `place` is neither path nor URL, or `namespace` is empty.
    OSError
        If the file cannot be opened.

    Attributes
    ----------
    sent, failed
        Number of events that were accepted, and of events that were dropped: after three attempts, after a permanent
        error of the server, or while 1,000 events were pending.

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
        self._send, self._close_target = _sender(self._place)
        self.sent = self.failed = 0
        self._lock = threading.Lock()  # guards sent and failed
        self._pending: Queue[bytes | None] = Queue(_MAX_PENDING)
        self._closed = False
        self._stop_retries = threading.Event()
        self._process = os.getpid()
        self._thread = threading.Thread(target=self._work, name="polarsprof-lineage", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __call__(self, profile: Profile) -> None:
        """Queue the event of a pane; returns immediately."""
        if self._closed:
            self._fail("the emitter is closed")
            return
        try:
            self._pending.put_nowait(event_line(profile, namespace=self._namespace))
        except Full:
            self._fail(f"{_MAX_PENDING:,} events are pending")

    def close(self) -> None:
        """Wait up to ten seconds until all events are sent; later calls do nothing."""
        if os.getpid() != self._process or self._closed:  # a forked child does not have the thread
            return
        self._closed = True
        deadline_s = time.monotonic() + _CLOSE_TIMEOUT_S
        with suppress(Full):
            self._pending.put(None, timeout=_CLOSE_TIMEOUT_S)
        self._thread.join(deadline_s - time.monotonic())
        self._stop_retries.set()
        if self._thread.is_alive():
            dropped = self._drop_pending()
            self._pending.put(None)
            if dropped:
                self._fail("the emitter was closed", dropped)
        else:
            self._close_target()

    def _drop_pending(self) -> int:
        """Remove all pending events; returns their number."""
        events = 0
        with suppress(Empty):
            while True:
                events += self._pending.get_nowait() is not None
        return events

    def _work(self) -> None:
        while (event := self._pending.get()) is not None:
            error = self._send_with_retries(event)
            if error is None:
                with self._lock:
                    self.sent += 1
            else:
                with suppress(DataWarning):  # if warnings are errors, no caller can catch it here
                    self._fail(error)

    def _send_with_retries(self, event: bytes) -> object:
        """Send an event with retries; returns the last error, or None on success."""
        for pause_s in (*_RETRY_PAUSES_S, None):
            try:
                self._send(event)
            except Exception as error:  # noqa: BLE001 - no error of a server stops the stream
                if pause_s is None or _is_permanent(error) or self._stop_retries.wait(pause_s):
                    return error
            else:
                return None
        raise AssertionError

    def _fail(self, reason: object, events: int = 1) -> None:
        with self._lock:
            is_first, self.failed = not self.failed, self.failed + events
        if is_first:
            text = f"{self._place}: an OpenLineage event was not sent: {reason}; further failures are only counted"
            warnings.warn(text, DataWarning, stacklevel=2)


def event_line(profile: Profile, *, namespace: str = "polarsprof") -> bytes:
    """The event of a profile as a line of JSON, in ASCII."""
    return json.dumps(run_event(profile, namespace=namespace), allow_nan=False).encode() + b"\n"


def _sender(place: str) -> tuple[Callable[[bytes], object], Callable[[], object]]:
    """Functions that send an event to a place, and close it."""
    scheme, separator, _ = place.partition("://")
    if not separator:
        file = FileIO(open_append(place), "ab")
        return lambda event: _append(file, event), file.close
    if scheme not in ("http", "https") or not urlsplit(place).hostname:
        raise argument_error("place", place, "the path of a file, http://… or https://…")
    return lambda event: _post(place, event), lambda: None


def _append(file: RawIOBase, event: bytes) -> None:
    if file.write(event) != len(event):
        raise OSError("the line was written partially")


def _post(url: str, event: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    if key := os.environ.get(_KEY_VARIABLE):
        headers["Authorization"] = f"Bearer {key}"
    request = Request(url, event, headers)  # noqa: S310 - the scheme is http or https
    try:
        with urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - the same
            answer.read()
    except HTTPError as error:
        error.close()
        raise


def _is_permanent(error: BaseException) -> bool:
    """Returns whether a retry cannot succeed."""
    return isinstance(error, HTTPError) and 400 <= error.code < 500 and error.code not in (408, 429)
