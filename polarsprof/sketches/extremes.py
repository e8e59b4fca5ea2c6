"""Exact minimum and maximum of the values of one group, without NaN."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from polarsprof.errors import CorruptProfile
from polarsprof.sketches.statistic import Statistic
from polarsprof.sketches.values import NUMBERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polarsprof.files import profile_pb2 as pb
    from polarsprof.kernels.batch import ColumnBatch, Item
    from polarsprof.kernels.spec import ProfileSpec
    from polarsprof.sketches.values import ValueType

_INT64_MIN: Final = -(2**63)
_INT64_MAX: Final = 2**63 - 1
_LARGEST: Final = int(sys.float_info.max)
_BIG_INTEGER_BYTES: Final = 256  # the sum of 2^48 integers within the range of doubles takes 135


class Extremes(Statistic["pb.Extremes"]):
    """Smallest and largest value; numbers compare by value, text in UTF-8 byte order.

    Examples
    --------
    >>> import polarsprof as pp
    >>> column = pp.profile([{"price": 9.5}, {"price": 2}])["price"]
    >>> extremes = column.group("number").extremes
    >>> extremes.minimum, extremes.maximum
    (2, 9.5)
    """

    __slots__ = ("maximum", "minimum")

    field = "extremes"

    def __init__(self, spec: ProfileSpec, values: ValueType = NUMBERS) -> None:
        super().__init__(spec, values)
        self.minimum: Item | None = None
        self.maximum: Item | None = None

    @property
    def exact(self) -> tuple[Item | None, Item | None]:
        """Both values."""
        return self.minimum, self.maximum

    def update(self, batch: ColumnBatch) -> None:
        """Add the extremes of a batch."""
        self._widen(batch.minimum, batch.maximum)

    def merge(self, *others: Extremes) -> None:
        """Add the extremes of others."""
        for other in others:
            self._widen(other.minimum, other.maximum)

    def to_message(self, message: pb.Extremes) -> None:
        """Write both values; nothing if there are none."""
        if self.minimum is not None and self.maximum is not None:
            write_value(message.minimum, self.minimum)
            write_value(message.maximum, self.maximum)

    def from_message(self, message: pb.Extremes) -> None:
        """Read both values of a message."""
        self.minimum, self.maximum = _read_both(message)

    def check(self, count: int) -> None:
        """Refuse values of another type."""
        del count
        self._check_types((self.minimum, self.maximum))

    def merge_messages(self, messages: Sequence[pb.Extremes], counts: Sequence[int]) -> None:
        """Add the extremes of messages."""
        del counts
        pairs = [_read_both(message) for message in messages]
        for pair in pairs:
            self._check_types(pair)
        for low, high in pairs:
            self._widen(low, high)

    def _check_types(self, pair: tuple[object, object]) -> None:
        types = self._values.extreme_types
        if not isinstance(pair[0], types) or not isinstance(pair[1], types):
            msg = f"the extremes {pair!r:.80} are not of their group"
            raise CorruptProfile(msg)

    def _widen(self, minimum: Any, maximum: Any) -> None:
        if minimum is not None and (self.minimum is None or minimum < self.minimum):
            self.minimum = minimum
        if maximum is not None and (self.maximum is None or maximum > self.maximum):
            self.maximum = maximum


def _read_both(message: pb.Extremes) -> tuple[Item | None, Item | None]:
    low, high = read_value(message.minimum), read_value(message.maximum)
    if type(low) is not type(high) and not _are_numbers(low, high):
        msg = f"minimum {low!r:.80} and maximum {high!r:.80} are not of one kind"
        raise CorruptProfile(msg)
    if low is not None and (not _is_at_most(low, high) or _is_beyond_doubles(low) or _is_beyond_doubles(high)):
        msg = "a minimum above its maximum, or beyond the doubles"
        raise CorruptProfile(msg)
    return low, high


def _is_at_most(low: Any, high: Any) -> bool:
    return bool(low <= high)


def _is_beyond_doubles(value: object) -> bool:
    return isinstance(value, int) and abs(value) > _LARGEST


def _are_numbers(*values: object) -> bool:
    return all(isinstance(value, int | float) for value in values)


def write_value(message: pb.Value, value: Item) -> None:
    """Write a value to the field of its type."""
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
    """Read the value of a message; None if it has none.

    Raises
    ------
    CorruptProfile
        For NaN, and for an integer of more than 256 bytes.
    """
    kind = message.WhichOneof("kind")
    if kind is None:
        return None
    value: Item = getattr(message, kind)
    if kind == "big_integer":
        if len(message.big_integer) > _BIG_INTEGER_BYTES:
            msg = f"an integer of {len(message.big_integer)} bytes"
            raise CorruptProfile(msg)
        return int.from_bytes(message.big_integer, "little", signed=True)
    if value != value:  # noqa: PLR0124 - true for NaN alone
        msg = "a NaN stands where a number should"
        raise CorruptProfile(msg)
    return value
