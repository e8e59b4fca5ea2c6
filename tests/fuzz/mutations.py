"""Random changes of bytes and messages, as by a broken disk, a foreign writer or an attacker."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

INTEGERS = [
    0,
    1,
    2,
    3,
    7,
    8,
    61,
    62,
    127,
    200,
    255,
    2**15,
    2**16 - 1,
    2**31 - 1,
    2**32 - 1,
    2**53,
    2**62,
    2**63,
    2**64 - 1,
]
DOUBLES = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    5e-324,
    1e-300,
    1e16,
    2.0**63,
    1e300,
    1.7976931348623157e308,
    math.inf,
    -math.inf,
    math.nan,
]
HEAD_BYTES = 48
MOST_EDITS = 4


def mutated(data: bytes, chance: Random, others: Sequence[bytes]) -> bytes:
    """Make one to four changes, half of them in the first bytes, where sketches have their fields."""
    for _ in range(chance.randint(1, MOST_EDITS)):
        data = chance.choice(CHANGES)(data, chance, others)
    return data


def _position(data: bytes, chance: Random) -> int:
    return chance.randrange(min(len(data), HEAD_BYTES) if chance.random() < 0.5 else len(data))


def _put(data: bytes, position: int, part: bytes) -> bytes:
    return data[:position] + part[: len(data) - position] + data[position + len(part) :]


def _flipped(data: bytes, chance: Random, others: Sequence[bytes]) -> bytes:
    if not data:
        return data
    position = _position(data, chance)
    return _put(data, position, bytes([data[position] ^ 1 << chance.randrange(8)]))


def _byte(data: bytes, chance: Random, others: Sequence[bytes]) -> bytes:
    return _put(data, _position(data, chance), bytes([chance.randrange(256)])) if data else data


def _integer(data: bytes, chance: Random, others: Sequence[bytes]) -> bytes:
    if not data:
        return data
    width = chance.choice([2, 4, 8])
    position = _position(data, chance) & ~(chance.choice([1, 2, 4, 8]) - 1)
    if chance.random() < 0.5:
        number = chance.choice(INTEGERS)
    else:
        number = int.from_bytes(data[position : position + width], "little") + chance.randint(-3, 3)
    return _put(data, position, (number % 256**width).to_bytes(width, "little"))


def _double(data: bytes, chance: Random, others: Sequence[bytes]) -> bytes:
    return _put(data, _position(data, chance) & ~3, struct.pack("<d", chance.choice(DOUBLES))) if data else data


def _cut(data: bytes, chance: Random, others: Sequence[bytes]) -> bytes:
    return data[: chance.randrange(len(data))] if data else data


def _longer(data: bytes, chance: Random, others: Sequence[bytes]) -> bytes:
    return data + chance.choice([b"\0", chance.randbytes(chance.randint(1, 40)), data[-16:], data])


def _without(data: bytes, chance: Random, others: Sequence[bytes]) -> bytes:
    position = _position(data, chance) if data else 0
    return data[:position] + data[position + chance.choice([1, 4, 8]) :]


def _spliced(data: bytes, chance: Random, others: Sequence[bytes]) -> bytes:
    other = chance.choice(others) if others else data
    if not data or not other:
        return other
    return data[: _position(data, chance)] + other[_position(other, chance) :]


CHANGES: list[Callable[[bytes, Random, Sequence[bytes]], bytes]] = [
    _flipped,
    _flipped,
    _byte,
    _integer,
    _integer,
    _double,
    _cut,
    _longer,
    _without,
    _spliced,
]


def mutate_message(message: Any, chance: Random, others: Sequence[bytes]) -> None:
    """Change one to four fields of a message or its inner messages to values of their types."""
    for _ in range(chance.randint(1, MOST_EDITS)):
        places = list(_places(message))
        if places:
            _change(*chance.choice(places), chance, others)


def _places(message: Any) -> Any:
    for field, value in message.ListFields():
        yield message, field
        if field.message_type is not None:
            for inner in value if field.is_repeated else [value]:
                yield from _places(inner)


def _change(message: Any, field: Any, chance: Random, others: Sequence[bytes]) -> None:
    if chance.random() < 0.1:
        message.ClearField(field.name)
    elif field.is_repeated:
        _change_repeated(getattr(message, field.name), chance)
    elif field.message_type is None:
        _set(message, field, chance, others)


def _change_repeated(values: Any, chance: Random) -> None:
    position = chance.randrange(len(values))
    if chance.random() < 0.5:
        del values[position]
    else:
        values.append(values[position])


def _set(message: Any, field: Any, chance: Random, others: Sequence[bytes]) -> None:
    value = getattr(message, field.name)
    if isinstance(value, bytes):
        value = mutated(value, chance, others)
    elif isinstance(value, str):
        value = mutated(value.encode(), chance, [b"number", b"string", b"date"]).decode("utf-8", "replace")
    elif isinstance(value, float):
        value = chance.choice([*DOUBLES, -value, value * 2, value + 1])
    else:
        value = chance.choice([*INTEGERS, value + 1, value - 1, value * 2, -value, -(2**63)])
    try:
        setattr(message, field.name, value)
    except ValueError:  # out of range for the field
        message.ClearField(field.name)
