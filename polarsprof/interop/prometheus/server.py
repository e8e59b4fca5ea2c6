"""`serving`: metrics over HTTP for as long as a block lasts; text and server are prometheus_client's.

The server runs on daemon threads, ends with the block, and is closed in a forked child, where it would hold the port.
"""

from __future__ import annotations

import os
import re
import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from polarsprof.errors import PolarsprofError, argument_error
from polarsprof.interop.prometheus.families import client

if TYPE_CHECKING:
    from collections.abc import Iterator
    from wsgiref.simple_server import WSGIServer

_ADDRESS: Final = re.compile(r"(?:(?P<host>[\w.-]*|\[[0-9A-Fa-f:.%\w]+\]):)?(?P<port>\d{1,5})", re.ASCII)
_LOOPBACK: Final = "127.0.0.1"
_servers: weakref.WeakSet[WSGIServer] = weakref.WeakSet()


@contextmanager
def serving(address: str, collector: Any) -> Iterator[str]:
    """Serve a collector over HTTP while the block lasts.

    Parameters
    ----------
    address
        "PORT" or "HOST:PORT", such as "9464", "0.0.0.0:9464", "[::1]:9464". Without a host, only this machine can
        connect. Port 0 takes one that is free.
    collector
        A `SessionCollector`, or another collector of prometheus_client.

    Yields
    ------
    str
        The URL, with the port that was taken.

    Raises
    ------
    ArgumentError
        For what is no address.
    PolarsprofError
        Where it cannot be listened on, and where prometheus_client is not installed.
    """
    host, port = _host_and_port(address)
    prometheus = client()
    registry = prometheus.CollectorRegistry()
    registry.register(collector)
    try:
        server, thread = prometheus.start_http_server(port, host, registry)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or error
        msg = f"metrics cannot be served at {host}:{port}: {why}"
        raise PolarsprofError(msg) from error
    _servers.add(server)
    process = os.getpid()
    try:
        yield f"http://{f'[{host}]' if ':' in host else host}:{server.server_port}/metrics"
    finally:
        if os.getpid() == process:  # in a child nobody would answer
            server.shutdown()
            thread.join()
        server.server_close()


def _host_and_port(address: object) -> tuple[str, int]:
    found = _ADDRESS.fullmatch(address) if isinstance(address, str) else None
    if found is None or int(found["port"]) > 65_535:
        raise argument_error("address", address, 'HOST:PORT or PORT, such as "9464" or "0.0.0.0:9464"')
    return (found["host"] or _LOOPBACK).strip("[]"), int(found["port"])


def _close_in_child() -> None:
    for server in list(_servers):
        server.socket.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_child)
