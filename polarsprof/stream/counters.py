"""`StreamCounters`: the counters of a logger, by the names that users see."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

    from polarsprof.profiles.profile import Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamCounters:
    """Counters since a logger was created; those in `GAUGES` go up and down.

    Attributes
    ----------
    rows_logged
        Rows logged, including those still buffered.
    rows_profiled, rows_rejected
        Rows in profiles, and rows kept out of them.
    rows_late, rows_untimed
        Rows whose window was sealed already, and rows without a usable event time; both are profiled.
    rows_dropped
        Rows of panes dropped because too much waited for a store; they were profiled before.
    rows_recovered
        Rows of panes that crashed writers left behind.
    panes_written, bytes_written
        Panes in the first store, and their size.
    retries
        Failed attempts to publish a pane.
    panes_waiting
        Sealed panes that a store has not taken.
    checkpoint_age_us
        Time since the oldest change that no checkpoint holds, in microseconds.
    lag_us
        Distance of the latest event time behind the clock, in microseconds.
    """

    rows_logged: int = 0
    rows_profiled: int = 0
    rows_rejected: int = 0
    rows_late: int = 0
    rows_untimed: int = 0
    rows_dropped: int = 0
    rows_recovered: int = 0
    panes_written: int = 0
    panes_waiting: int = 0
    bytes_written: int = 0
    retries: int = 0
    checkpoint_age_us: int = 0
    lag_us: int = 0

    def __add__(self, other: Self) -> Self:
        """Return the sum of two sets of counters, field by field."""
        return type(self)(**{field.name: getattr(self, field.name) + getattr(other, field.name) for field in _FIELDS})

    @classmethod
    def of_profile(cls, profile: Profile) -> Self:
        """Return the row counters of one profile."""
        return cls(
            rows_profiled=profile.rows,
            rows_rejected=profile.rejected_rows,
            rows_late=profile.late_rows,
            rows_untimed=profile.untimed_rows,
        )

    @classmethod
    def from_dict(cls, counts: Mapping[str, int]) -> Self:
        """Return the counters of a checkpoint; names it does not know are skipped."""
        return cls(**{field.name: counts[field.name] for field in _FIELDS if field.name in counts})

    def to_dict(self) -> dict[str, int]:
        """Return all counters by name."""
        return asdict(self)

    def nonzero(self) -> dict[str, int]:
        """Return the counters that are not 0, as files hold them."""
        return {name: count for name, count in asdict(self).items() if count}


_FIELDS = fields(StreamCounters)
GAUGES = frozenset({"panes_waiting", "checkpoint_age_us", "lag_us"})
"""Counters that go down again."""
