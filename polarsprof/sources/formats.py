"""Formats for `KafkaSource`: Avro with a schema, Protobuf with descriptors.

All fields become columns: logical types as Python types, enumerations as names. A field of Protobuf without presence
has its default if it is absent.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from polarsprof.errors import argument_error
from polarsprof.sources.extras import client

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

    from google.protobuf.message import Message

Decode: TypeAlias = "Callable[[bytes], Mapping[str, object]]"

_FRAME_BYTES: Final = 5  # a zero byte and the id of the schema, the framing of schema registries
_REPEATED: Final = 3  # label of repeated fields, before protobuf 6.31
_TIMES: Final = ("google.protobuf.Timestamp", "google.protobuf.Duration")


def avro(schema: Mapping[str, object] | str | os.PathLike[str], *, framed: bool = False) -> Decode:
    """A format of records in the binary encoding of Avro, all with one schema.

    Parameters
    ----------
    schema
        The schema of a record as a mapping, or the path of a JSON file with the schema.
    framed
        True if each message starts with a zero byte and the id of its schema, as with a schema registry. The id is
        ignored.

    Returns
    -------
    function
        Bytes of a message → record.

    Raises
    ------
    ArgumentError
        If the schema is invalid or not the schema of a record.
    SourceError
        If fastavro is not installed.
    """
    library = client("fastavro", "avro")
    try:
        content = schema if isinstance(schema, dict) else json.loads(Path(schema).read_text("utf-8"))  # type: ignore[arg-type]
        parsed = library.parse_schema(content)
    except (OSError, TypeError, ValueError, KeyError, library.schema.SchemaParseException) as error:
        raise argument_error("schema", schema, "a schema of Avro", f"{type(error).__name__}: {error}") from error
    if not isinstance(parsed, dict) or parsed.get("type") != "record":
        raise argument_error("schema", schema, "the schema of a record")
    skipped = _FRAME_BYTES if framed else 0

    def decode(value: bytes) -> Mapping[str, object]:
        if framed and value[:1] != b"\0":
            raise ValueError("not framed")
        stream = io.BytesIO(value)
        stream.seek(skipped)
        record: Mapping[str, object] = library.schemaless_reader(stream, parsed)
        if stream.tell() != len(value):
            raise ValueError("trailing bytes")
        return record

    return decode


def protobuf(descriptors: bytes | str | os.PathLike[str], message: str) -> Decode:
    """A format of Protobuf messages.

    Parameters
    ----------
    descriptors
        A descriptor set with all imports, from `protoc --include_imports --descriptor_set_out=FILE`; or its path.
    message
        Full name of the message, such as "shop.v1.Order".

    Returns
    -------
    function
        Bytes of a message → record.

    Raises
    ------
    ArgumentError
        If the descriptor set is invalid or has no such message.
    """
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    from google.protobuf.message import DecodeError

    pool = descriptor_pool.DescriptorPool()
    try:
        data = descriptors if isinstance(descriptors, bytes) else Path(descriptors).read_bytes()
        for file in descriptor_pb2.FileDescriptorSet.FromString(data).file:
            pool.Add(file)
    except (OSError, TypeError, DecodeError) as error:
        raise argument_error("descriptors", descriptors, "a descriptor set of Protobuf", str(error)) from error
    try:
        kind = message_factory.GetMessageClass(pool.FindMessageTypeByName(message))
    except KeyError as error:
        raise argument_error("message", message, "the full name of a message in the descriptor set") from error
    return lambda value: _fields(kind.FromString(value))


def _fields(message: Message) -> dict[str, object]:
    """The fields of a message, without absent fields that have presence."""
    return {
        field.name: _value(field, getattr(message, field.name))
        for field in message.DESCRIPTOR.fields
        if not field.has_presence or message.HasField(field.name)
    }


def _value(field: Any, value: Any) -> object:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        inner = field.message_type.fields_by_name["value"]
        return {str(key): _single(inner, each) for key, each in value.items()}
    if getattr(field, "is_repeated", None) or (not hasattr(field, "is_repeated") and field.label == _REPEATED):
        return [_single(field, each) for each in value]
    return _single(field, value)


def _single(field: Any, value: Any) -> object:
    if field.message_type is not None:
        return _time(value) if field.message_type.full_name in _TIMES else _fields(value)
    if field.enum_type is not None:
        entry = field.enum_type.values_by_number.get(value)
        return value if entry is None else entry.name
    return value


def _time(value: Any) -> object:
    """A timestamp as a datetime in UTC, or a duration as a timedelta."""
    from datetime import UTC

    return value.ToDatetime(tzinfo=UTC) if hasattr(value, "ToDatetime") else value.ToTimedelta()
