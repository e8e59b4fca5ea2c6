"""Addresses of the command line → sources; each source reads its own URLs.

A new scheme is an entry of `_SCHEMES` and a `from_address` of its source.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

from polarsprof import sources
from polarsprof.errors import argument_error
from polarsprof.sources.extras import without_credentials

if TYPE_CHECKING:
    from collections.abc import Mapping

    from polarsprof.sources.protocol import Source

# Scheme of a URL → its source, a name in `polarsprof.sources`; imported when an address has the scheme.
_SCHEMES: Final[Mapping[str, str]] = {
    "kafka": "KafkaSource",
    "kinesis": "KinesisSource",
    "nats": "NatsSource",
    "redis": "RedisSource",
    "rediss": "RedisSource",
    "sqs": "SqsSource",
}


@dataclass(frozen=True, slots=True)
class Address:
    """The URL of a topic, stream or queue, in parts.

    Attributes
    ----------
    scheme
        Such as "kafka".
    server
        Host and port, with user and password if the URL has them.
    name
        Topic, stream or queue; empty if missing.
    options
        The query of the URL.
    start
        "earliest" or "latest": the first record to read if the data set has no position.
    """

    scheme: str
    server: str
    name: str
    options: Mapping[str, str]
    start: str

    @classmethod
    def parse(cls, url: str, *, from_beginning: bool) -> Address:
        """The parts of a URL."""
        parts = urlsplit(url)
        name = unquote(parts.path.removeprefix("/"))
        start = "earliest" if from_beginning else "latest"
        return cls(parts.scheme, parts.netloc, name, dict(parse_qsl(parts.query)), start)

    def check(self, form: str, options: tuple[str, ...] | None = None) -> None:
        """Refuse an address without server or name, or with an unknown option.

        Parameters
        ----------
        form
            How a complete address looks, such as "kafka://HOST:PORT/TOPIC".
        options
            Known options; None allows all.

        Raises
        ------
        ArgumentError
            If a part is missing or an option is unknown; the text shows no credentials.
        """
        if not self.server or not self.name:
            raise argument_error("source", without_credentials(f"{self.scheme}://{self.server}/{self.name}"), form)
        for option in self.options:
            if options is not None and option not in options:
                raise argument_error("source: option", option, f"one of {', '.join(options)}")


class _Addressable(Protocol):
    def from_address(self, address: Address) -> Source: ...


def source_at(address: str, *, from_beginning: bool, stdin: BinaryIO) -> Source:
    """The source of an address.

    Parameters
    ----------
    address
        "-" for NDJSON on standard input, "tail:PATH", a URL, or a path or shell pattern of files.
    from_beginning
        Read a topic or stream without a position in the data set from its oldest record; False: only new records.
        Files are always read from the beginning.
    stdin
        Standard input.

    Raises
    ------
    ArgumentError
        If the scheme is unknown, a part is missing, or an option does not fit.
    SourceError
        If the client of the source is not installed.
    """
    if address == "-":
        return sources.LinesSource(stdin)
    if address.startswith("tail:"):
        return sources.TailSource(address.removeprefix("tail:"))
    scheme, separator, _ = address.partition("://")
    if not separator:
        return sources.FilesSource(address)
    if scheme not in _SCHEMES:
        known = ", ".join(f"{name}://…" for name in _SCHEMES)
        raise argument_error("source", without_credentials(address), f"-, tail:PATH, a path or pattern, {known}")
    source: _Addressable = getattr(sources, _SCHEMES[scheme])
    return source.from_address(Address.parse(address, from_beginning=from_beginning))
