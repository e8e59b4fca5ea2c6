"""`Statistic`: the methods of every statistic, with defaults for bulk methods.

Merging must equal one pass: two parts merged give the figures of all rows, exactly or within a stated bound. The
property tests in `tests/laws` hold every subclass to that, in memory and through the bytes of a file.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeAlias, TypeVar

from polarsprof.errors import CorruptProfile
from polarsprof.sketches.values import NUMBERS, ValueType

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from polarsprof.kernels.batch import ColumnBatch
    from polarsprof.kernels.spec import ProfileSpec

Message = TypeVar("Message")


class Statistic(ABC, Generic[Message]):
    """State of one statistic over the values of one group.

    Figures of no values are None, counts are 0. Equal states write equal bytes.

    Parameters
    ----------
    spec
        Sizes of the sketches.
    values
        Type of the values.

    Attributes
    ----------
    field
        Name of the field of `Group` in `profile.proto` that holds the message.
    """

    __slots__ = ("_spec", "_values")

    field: ClassVar[str]

    def __init__(self, spec: ProfileSpec, values: ValueType = NUMBERS) -> None:
        self._spec = spec
        self._values = values

    @abstractmethod
    def update(self, batch: ColumnBatch) -> None:
        """Add a batch."""

    @abstractmethod
    def merge(self, *others: Self) -> None:
        """Add the states of others, which stay unchanged."""

    @abstractmethod
    def to_message(self, message: Message) -> None:
        """Write the state to an empty message."""

    @abstractmethod
    def from_message(self, message: Message) -> None:
        """Read the state of a message.

        Raises
        ------
        CorruptProfile
            If the class cannot have written the message.
        """

    @property
    def exact(self) -> object:
        """Figures that no split and no order of merges changes; None if there are none."""
        return None

    def check(self, count: int) -> None:
        """Raise `CorruptProfile` if a group of `count` values cannot have the state."""

    @classmethod
    def to_messages(cls, parts: Sequence[tuple[Self, Message]]) -> None:
        """Write many states, each to its message."""
        for statistic, message in parts:
            statistic.to_message(message)

    @classmethod
    def from_messages(cls, parts: Sequence[tuple[Self, Message]]) -> None:
        """Read many states, each from its message."""
        for statistic, message in parts:
            statistic.from_message(message)

    def merge_messages(self, messages: Sequence[Message], counts: Sequence[int]) -> None:
        """Add the states of messages, after all of them were checked.

        Parameters
        ----------
        messages
            Written by statistics of the same spec and type of values.
        counts
            Number of values in the group of each message.

        Raises
        ------
        CorruptProfile
            If a message is invalid, or speaks of more values than its group has.
        """
        others = [type(self)(self._spec, self._values) for _ in messages]
        self.from_messages(list(zip(others, messages, strict=True)))
        for other, count in zip(others, counts, strict=True):
            other.check(count)
        self.merge(*others)


AnyStatistic: TypeAlias = Statistic[Any]


def check_count(count: int, claimed: int) -> None:
    """Raise `CorruptProfile` if a statistic claims more values than its group has."""
    if claimed > count:
        msg = f"statistics of {claimed} values where {count} were counted"
        raise CorruptProfile(msg)
