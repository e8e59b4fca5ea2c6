"""Addresses → sources: what the command line calls them."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from polarsprof.errors import argument_error
from polarsprof.sources.files import FilesSource, TailSource
from polarsprof.sources.iterables import LinesSource

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from polarsprof.sources.protocol import Source


def source_at(address: str, *, from_beginning: bool, stdin: BinaryIO) -> Source:
    """The source of an address.

    Parameters
    ----------
    address
        "-" for NDJSON on standard input, "tail:PATH", a URL, or a path or pattern of files.
    from_beginning
        Of a topic or stream that was never read into the data set, begin with the oldest record instead of those that
        come from now on. Files always do.
    stdin
        The standard input.

    Raises
    ------
    ArgumentError
        For an address that means nothing, or lacks something.
    """
    if address == "-":
        return LinesSource(stdin)
    if address.startswith("tail:"):
        return TailSource(address.removeprefix("tail:"))
    scheme, separator, _ = address.partition("://")
    if not separator:
        return FilesSource(address)
    if scheme not in _SCHEMES:
        known = ", ".join(f"{name}://…" for name in _SCHEMES)
        raise argument_error("source", address, f"-, tail:PATH, a path or pattern, {known}")
    place = urlsplit(address)
    return _SCHEMES[scheme](place, dict(parse_qsl(place.query)), from_beginning=from_beginning)


def _kafka(place: SplitResult, options: dict[str, str], *, from_beginning: bool) -> Source:
    from polarsprof.sources.kafka import KafkaSource

    fields = options.pop("fields", "")
    return KafkaSource(
        place.netloc,
        _named(place, "kafka://HOST:PORT/TOPIC"),
        start="earliest" if from_beginning else "latest",
        share=_share(options.pop("share", "0/1")),
        format=options.pop("format", "json"),
        fields=fields.split(",") if fields else (),
        group=options.pop("group", None),
        settings=options,
    )


def _redis(place: SplitResult, options: dict[str, str], *, from_beginning: bool) -> Source:
    from polarsprof.sources.redis import RedisSource

    stream = _named(place, "redis://HOST:PORT/STREAM?db=0&field=…")
    server = f"{place.scheme}://{place.netloc}/{options.pop('db', '0')}"
    _check_known(options, "field", "group", "consumer")
    start = "earliest" if from_beginning else "latest"
    field, group, consumer = map(options.get, ("field", "group", "consumer"))
    return RedisSource(server, stream, start=start, field=field, group=group, consumer=consumer)


def _nats(place: SplitResult, options: dict[str, str], *, from_beginning: bool) -> Source:
    from polarsprof.sources.nats import NatsSource

    stream = _named(place, "nats://HOST:PORT/STREAM?subject=…")
    _check_known(options, "subject")
    start = "earliest" if from_beginning else "latest"
    return NatsSource(f"{place.scheme}://{place.netloc}", stream, subject=options.get("subject", ">"), start=start)


def _sqs(place: SplitResult, options: dict[str, str], *, from_beginning: bool) -> Source:
    from polarsprof.sources.sqs import SqsSource

    del from_beginning  # a queue has no other
    queue = _named(place, "sqs://sqs.REGION.amazonaws.com/ACCOUNT/QUEUE")
    _check_known(options, "region", "endpoint")
    server = options.get("endpoint", f"https://{place.netloc}")
    given = {"region_name": options.get("region") or _region(place.netloc), "endpoint_url": options.get("endpoint")}
    return SqsSource(f"{server}/{queue}", options={name: value for name, value in given.items() if value})


def _kinesis(place: SplitResult, options: dict[str, str], *, from_beginning: bool) -> Source:
    from polarsprof.sources.kinesis import KinesisSource

    _check_known(options, "endpoint", "share")
    given = {"region_name": place.netloc, "endpoint_url": options.get("endpoint")}
    return KinesisSource(
        _named(place, "kinesis://REGION/STREAM"),
        start="earliest" if from_beginning else "latest",
        share=_share(options.get("share", "0/1")),
        options={name: value for name, value in given.items() if value},
    )


def _region(host: str) -> str | None:
    service, _, rest = host.partition(".")
    return rest.partition(".")[0] if service == "sqs" and rest.endswith("amazonaws.com") else None


def _check_known(options: Mapping[str, str], *known: str) -> None:
    for name in options:
        if name not in known:
            raise argument_error("source: option", name, f"one of {', '.join(known)}")


def _named(place: SplitResult, expected: str) -> str:
    """The path of a URL without its slash, which names a topic or stream."""
    name = unquote(place.path.removeprefix("/"))
    if not name or not place.netloc:
        raise argument_error("source", place.geturl(), expected)
    return name


def _share(text: str) -> tuple[int, int]:
    number, _, of = text.partition("/")
    if not (number.isdecimal() and of.isdecimal()):
        raise argument_error("share", text, "NUMBER/OF, such as 0/3, 1/3 and 2/3 for three consumers")
    return int(number), int(of)


_SCHEMES: Final[Mapping[str, Callable[..., Source]]] = {
    "kafka": _kafka,
    "kinesis": _kinesis,
    "nats": _nats,
    "redis": _redis,
    "rediss": _redis,
    "sqs": _sqs,
}
