"""Exact minimum and maximum of one statistics group, NaN left out."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from polarsprof.errors import CorruptProfile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polarsprof.files import profile_pb2 as pb
    from polarsprof.kernels.batch import ColumnBatch, Item
    from polarsprof.kernels.spec import ProfileSpec

_INT64_MIN: Final = -(2**63)
_INT64_MAX: Final = 2**63 - 1
_LARGEST: Final = int(sys.float_info.max)
_BIG_INTEGER_BYTES: Final = 256  # the sum of 2^48 integers within the range of doubles takes 135


class Extremes:
    """The smallest and the largest value; numbers compare by value, text in UTF-8 byte order."""

    __slots__ = ("maximum", "minimum")

    def __init__(self, spec: ProfileSpec) -> None:
        del spec  # nothing about an extreme can be chosen
        self.minimum: Item | None = None
        self.maximum: Item | None = None

    def update(self, batch: ColumnBatch) -> None:
        """Take in the extremes of a batch."""
        self._take(batch.minimum, batch.maximum)

    def merge(self, *others: Extremes) -> None:
        """Take in the extremes of others."""
        for other in others:
            self._take(other.minimum, other.maximum)

    def _take(self, minimum: Any, maximum: Any) -> None:
        if minimum is not None and (self.minimum is None or minimum < self.minimum):
            self.minimum = minimum
        if maximum is not None and (self.maximum is None or maximum > self.maximum):
            self.maximum = maximum

    def to_message(self, message: pb.Extremes) -> None:
        """Write both values; nothing where there are none."""
        if self.minimum is not None and self.maximum is not None:
            write_value(message.minimum, self.minimum)
            write_value(message.maximum, self.maximum)

    def from_message(self, message: pb.Extremes) -> None:
        """Take both values of a message."""
        self.minimum, self.maximum = _read_both(message)

    def merge_messages(self, messages: Sequence[pb.Extremes], kinds: tuple[type, ...]) -> None:
        """Take in the extremes of messages, which are of these types."""
        pairs = [_read_both(message) for message in messages]
        for pair in pairs:
            check_kinds(pair, kinds)
        for low, high in pairs:
            self._take(low, high)


def check_kinds(pair: tuple[object, object], kinds: tuple[type, ...]) -> None:
    """Refuse extremes of another type."""
    if not isinstance(pair[0], kinds) or not isinstance(pair[1], kinds):
        msg = f"the extremes {pair!r:.80} are not of their group"
        raise CorruptProfile(msg)


def _read_both(message: pb.Extremes) -> tuple[Any, Any]:
    low: Any = read_value(message.minimum)
    high: Any = read_value(message.maximum)
    if type(low) is not type(high) and not _are_numbers(low, high):
        msg = f"minimum {low!r:.80} and maximum {high!r:.80} are not of one kind"
        raise CorruptProfile(msg)
    if low is not None and (not low <= high or _is_beyond_doubles(low) or _is_beyond_doubles(high)):
        msg = "a minimum above its maximum, or beyond the doubles"
        raise CorruptProfile(msg)
    return low, high


def _is_beyond_doubles(value: object) -> bool:
    return isinstance(value, int) and abs(value) > _LARGEST


def _are_numbers(*values: object) -> bool:
    return all(isinstance(value, int | float) for value in values)


def write_value(message: pb.Value, value: Item) -> None:
    """Write a value into the field of its kind."""
    match value:
        case int() if _INT64_MIN <= value <= _INT64_MAX:
            message.integer = value
        case int():
            message.big_integer = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
        case float():
            message.fractional = value
        case str():
            message.text = value
        case bytes():
            message.binary = value


def read_value(message: pb.Value) -> Item | None:
    """The value of a message, None where none was written."""
    kind = message.WhichOneof("kind")
    if kind is None:
        return None
    value: Item = getattr(message, kind)
    if kind == "big_integer":
        if len(message.big_integer) > _BIG_INTEGER_BYTES:
            msg = f"an integer of {len(message.big_integer)} bytes"
            raise CorruptProfile(msg)
        return int.from_bytes(message.big_integer, "little", signed=True)
    if value != value:  # noqa: PLR0124 - NaN is no extreme
        msg = "a NaN stands where a number should"
        raise CorruptProfile(msg)
    return value
