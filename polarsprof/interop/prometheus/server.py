"""`serving` serves metrics over HTTP during a block.

The server of prometheus_client runs in daemon threads and stops at the end of the block. A forked child closes its copy
of the socket, so that it does not hold the port.
"""

from __future__ import annotations

import os
import re
import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

from polarsprof.errors import PolarsprofError, argument_error
from polarsprof.interop.prometheus.families import client

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from wsgiref.simple_server import WSGIServer

    from prometheus_client import Metric

_ADDRESS: Final = re.compile(r"(?:(?P<host>[\w.-]*|\[[0-9A-Fa-f:.%\w]+\]):)?(?P<port>\d{1,5})", re.ASCII)
_LOOPBACK: Final = "127.0.0.1"
_servers: weakref.WeakSet[WSGIServer] = weakref.WeakSet()


class Collector(Protocol):
    """A collector of prometheus_client, such as `SessionCollector`."""

    def collect(self) -> Iterable[Metric]:
        """Every metric with its current samples."""


@contextmanager
def serving(address: str, collector: Collector) -> Iterator[str]:
    """Serve a collector over HTTP while the block lasts.

    Parameters
    ----------
    address
        "PORT" or "HOST:PORT", such as "9464", "0.0.0.0:9464", "[::1]:9464". Without a host, only this machine can
        connect. Port 0 selects a free port.
    collector
        A `SessionCollector`, or another collector of prometheus_client.

    Yields
    ------
    str
        The URL with the selected port.

    Raises
    ------
    ArgumentError
        If the address is not valid.
    PolarsprofError
        If the server cannot listen on the address, or prometheus_client is not installed.
    """
    host, port = _host_and_port(address)
    prometheus = client()
    registry = prometheus.CollectorRegistry()
    registry.register(collector)
    try:
        server, thread = prometheus.start_http_server(port, host, registry)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        msg = f"metrics cannot be served at {host}:{port}: {reason}"
        raise PolarsprofError(msg) from error
    _servers.add(server)
    process = os.getpid()
    try:
        yield f"http://{f'[{host}]' if ':' in host else host}:{server.server_port}/metrics"
    finally:
        if os.getpid() == process:  # a forked child has no server thread
            server.shutdown()
            thread.join()
        server.server_close()


def _host_and_port(address: object) -> tuple[str, int]:
    match = _ADDRESS.fullmatch(address) if isinstance(address, str) else None
    if match is None or int(match["port"]) > 65_535:
        raise argument_error("address", address, 'HOST:PORT or PORT, such as "9464" or "0.0.0.0:9464"')
    return (match["host"] or _LOOPBACK).strip("[]"), int(match["port"])


def _close_in_child() -> None:
    for server in list(_servers):
        server.socket.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_child)
