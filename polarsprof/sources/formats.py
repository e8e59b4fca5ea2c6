"""Functions for `KafkaSource(format=…)`: Avro with a schema at hand, Protobuf with a descriptor.

Both leave nothing out: logical types become what Python has for them, enumerations their names, and a field of Protobuf
that has no presence of its own counts with its default.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from polarsprof.errors import argument_error
from polarsprof.sources.extras import client

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

_FRAME_BYTES: Final = 5  # a zero and the number of the schema, as registries want them
_REPEATED: Final = 3  # the label, before protobuf 6.31
_TIMES: Final = ("google.protobuf.Timestamp", "google.protobuf.Duration")


def avro(
    schema: Mapping[str, Any] | str | os.PathLike[str], *, framed: bool = False
) -> Callable[[bytes], Mapping[str, Any]]:
    """A format of records in Avro's binary encoding, all of one schema.

    Parameters
    ----------
    schema
        The schema of a record as a mapping, or the path of a file of JSON that holds it.
    framed
        Whether each message begins with a zero byte and the number of its schema, as those of a schema registry do. The
        number is not looked at.

    Raises
    ------
    ArgumentError
        For what is no schema of a record.
    SourceError
        Where fastavro is not installed.
    """
    library = client("fastavro", "avro")
    try:
        known = schema if isinstance(schema, dict) else json.loads(Path(schema).read_text("utf-8"))  # type: ignore[arg-type]
        parsed = library.parse_schema(known)
    except (OSError, TypeError, ValueError, KeyError, library.schema.SchemaParseException) as error:
        raise argument_error("schema", schema, "a schema of Avro", f"{type(error).__name__}: {error}") from error
    if not isinstance(parsed, dict) or parsed.get("type") != "record":
        raise argument_error("schema", schema, "the schema of a record")
    skipped = _FRAME_BYTES if framed else 0

    def decode(value: bytes) -> Mapping[str, Any]:
        if framed and value[:1] != b"\0":
            raise ValueError("not framed")
        stream = io.BytesIO(value)
        stream.seek(skipped)
        record: Mapping[str, Any] = library.schemaless_reader(stream, parsed)
        if stream.tell() != len(value):
            raise ValueError("bytes are left")
        return record

    return decode


def protobuf(descriptors: bytes | str | os.PathLike[str], message: str) -> Callable[[bytes], Mapping[str, Any]]:
    """A format of messages of Protobuf.

    Parameters
    ----------
    descriptors
        A descriptor set with all that is imported, as of `protoc --include_imports --descriptor_set_out=FILE`; or the
        path of one.
    message
        Full name of the message, such as "shop.v1.Order".

    Raises
    ------
    ArgumentError
        For what is no descriptor set, or has no such message.
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


def _fields(message: Any) -> dict[str, Any]:
    """The fields of a message; those that have presence and are absent are left out."""
    return {
        field.name: _value(field, getattr(message, field.name))
        for field in message.DESCRIPTOR.fields
        if not field.has_presence or message.HasField(field.name)
    }


def _value(field: Any, value: Any) -> Any:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        inner = field.message_type.fields_by_name["value"]
        return {str(key): _single(inner, each) for key, each in value.items()}
    if getattr(field, "is_repeated", None) or (not hasattr(field, "is_repeated") and field.label == _REPEATED):
        return [_single(field, each) for each in value]
    return _single(field, value)


def _single(field: Any, value: Any) -> Any:
    if field.message_type is not None:
        return _time(value) if field.message_type.full_name in _TIMES else _fields(value)
    if field.enum_type is not None:
        named = field.enum_type.values_by_number.get(value)
        return value if named is None else named.name
    return value


def _time(value: Any) -> Any:
    """A timestamp in UTC, or a duration."""
    from datetime import UTC

    return value.ToDatetime(tzinfo=UTC) if hasattr(value, "ToDatetime") else value.ToTimedelta()
