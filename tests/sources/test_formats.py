"""Avro and Protobuf: encoded records come back, other bytes are refused."""

from __future__ import annotations

import io
import json
import struct
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, duration_pb2, message_factory, timestamp_pb2
from google.protobuf.message import DecodeError

from polarsprof.errors import ArgumentError
from polarsprof.sources import avro, protobuf

SCHEMA = {
    "type": "record",
    "name": "Order",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "note", "type": ["null", "string"]},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "total", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
        {"name": "items", "type": {"type": "array", "items": "string"}},
    ],
}
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
ORDER = {"id": 7, "note": None, "at": NOON, "total": Decimal("9.50"), "items": ["tea"]}


@pytest.mark.parametrize("framed", [False, True])
def test_avro_records_come_back_with_logical_types(tmp_path, framed):
    fastavro = pytest.importorskip("fastavro")
    stream = io.BytesIO()
    stream.write(struct.pack(">bI", 0, 42) if framed else b"")
    fastavro.schemaless_writer(stream, fastavro.parse_schema(SCHEMA), ORDER)
    file = tmp_path / "order.avsc"
    file.write_text(json.dumps(SCHEMA))
    for schema in (SCHEMA, file, str(file)):
        assert avro(schema, framed=framed)(stream.getvalue()) == ORDER
    for broken in (stream.getvalue()[:-1], stream.getvalue() + b"\0", b""):
        with pytest.raises((EOFError, ValueError, IndexError)):
            avro(SCHEMA, framed=framed)(broken)


@pytest.mark.parametrize("schema", [{"type": "string"}, {"type": "nothing"}, {}, "absent.avsc", 5])
def test_a_schema_that_is_not_of_a_record_is_named(schema):
    pytest.importorskip("fastavro")
    with pytest.raises(ArgumentError, match="schema"):
        avro(schema)


def descriptors():
    """The descriptor set of a message with a field of each kind."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="order.proto", package="shop", syntax="proto3")
    file.dependency[:] = ["google/protobuf/timestamp.proto", "google/protobuf/duration.proto"]
    color = file.enum_type.add(name="Color")
    color.value.add(name="RED", number=0)
    color.value.add(name="BLUE", number=1)
    order = file.message_type.add(name="Order")
    counts = order.nested_type.add(name="CountsEntry", options=descriptor_pb2.MessageOptions(map_entry=True))
    counts.field.add(name="key", number=1, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL)
    counts.field.add(name="value", number=2, type=field.TYPE_INT64, label=field.LABEL_OPTIONAL)

    def add(name, kind, *, label=field.LABEL_OPTIONAL, **more):
        order.field.add(name=name, number=len(order.field) + 1, type=kind, label=label, **more)

    add("id", field.TYPE_INT64)
    add("flag", field.TYPE_BOOL)
    add("data", field.TYPE_BYTES)
    add("color", field.TYPE_ENUM, type_name=".shop.Color")
    add("items", field.TYPE_STRING, label=field.LABEL_REPEATED)
    add("counts", field.TYPE_MESSAGE, label=field.LABEL_REPEATED, type_name=".shop.Order.CountsEntry")
    add("at", field.TYPE_MESSAGE, type_name=".google.protobuf.Timestamp")
    add("took", field.TYPE_MESSAGE, type_name=".google.protobuf.Duration")
    add("parent", field.TYPE_MESSAGE, type_name=".shop.Order")
    order.oneof_decl.add(name="_note")
    add("note", field.TYPE_STRING, oneof_index=0, proto3_optional=True)
    found = descriptor_pb2.FileDescriptorSet()
    for module in (timestamp_pb2, duration_pb2):
        module.DESCRIPTOR.CopyToProto(found.file.add())
    found.file.append(file)
    return found


def test_protobuf_messages_come_back_with_defaults_of_present_fields(tmp_path):
    found = descriptors()
    pool = descriptor_pool.DescriptorPool()
    for file in found.file:
        pool.Add(file)
    order = message_factory.GetMessageClass(pool.FindMessageTypeByName("shop.Order"))
    path = tmp_path / "order.desc"
    path.write_bytes(found.SerializeToString())
    decode = protobuf(path, "shop.Order")
    plain = {"id": 0, "flag": False, "data": b"", "color": "RED", "items": [], "counts": {}}
    assert decode(b"") == plain
    sent = order(
        id=2**60, flag=True, data=b"\xff", color=1, items=["tea"], counts={"a": 1}, note="", parent=order(id=3)
    )
    sent.at.FromDatetime(NOON)
    sent.took.FromTimedelta(timedelta(seconds=1.5))
    assert decode(sent.SerializeToString()) == {
        "id": 2**60, "flag": True, "data": b"\xff", "color": "BLUE", "items": ["tea"], "counts": {"a": 1}, "note": "",
        "at": NOON, "took": timedelta(seconds=1.5), "parent": plain | {"id": 3},
    }  # fmt: skip
    assert decode(order(color=9).SerializeToString())["color"] == 9
    with pytest.raises(DecodeError):
        decode(b"\xff")


def test_a_wrong_descriptor_set_and_a_missing_message_are_named():
    with pytest.raises(ArgumentError, match="descriptors"):
        protobuf(b"\xff\xff", "shop.Order")
    with pytest.raises(ArgumentError, match="descriptors"):
        protobuf("absent.desc", "shop.Order")
    with pytest.raises(ArgumentError, match="message"):
        protobuf(descriptors().SerializeToString(), "shop.Nothing")
