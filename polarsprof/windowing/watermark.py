"""The watermark: the event time up to which a stream is complete; reads no clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from polarsprof.errors import argument_error

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ONE_HOUR_US: Final = 3_600_000_000


@dataclass(slots=True)
class Watermark:
    """The latest event time seen, less the allowed disorder; it never goes back.

    Attributes
    ----------
    max_out_of_orderness_us
        Allowed disorder in microseconds: rows this far behind the latest time are still on time.
    max_future_us
        Times further ahead of the clock than this, in microseconds, do not count, so that one wrong clock cannot seal
        every window. None lets every time count.
    latest_us
        The latest time that counted; None before the first. A new watermark with a given value resumes from it.

    Raises
    ------
    ArgumentError
        If a duration is negative.

    Examples
    --------
    >>> import numpy as np
    >>> watermark = Watermark(max_out_of_orderness_us=10)
    >>> watermark.observe(np.array([100, 90, 10**16]), now_us=100), watermark.value_us
    (1, 90)
    """

    max_out_of_orderness_us: int = 0
    max_future_us: int | None = _ONE_HOUR_US
    latest_us: int | None = None

    def __post_init__(self) -> None:
        for name in ("max_out_of_orderness_us", "max_future_us"):
            length_us = getattr(self, name)
            if length_us is not None and length_us < 0:
                raise argument_error(name, length_us, "microseconds, not negative")

    def observe(self, times_us: NDArray[np.int64], now_us: int) -> int:
        """Advance to the latest credible time; return how many times are not credible.

        Parameters
        ----------
        times_us
            Event times in microseconds since the Unix epoch, in any order; an empty array changes nothing.
        now_us
            The clock's time in microseconds since the Unix epoch. Times beyond it by more than `max_future_us` are
            not credible.
        """
        credible_us = times_us if self.max_future_us is None else times_us[times_us <= now_us + self.max_future_us]
        if credible_us.size:
            newest_us = int(credible_us.max())
            self.latest_us = newest_us if self.latest_us is None else max(self.latest_us, newest_us)
        return int(times_us.size - credible_us.size)

    @property
    def value_us(self) -> int | None:
        """The time before which no rows are expected, in microseconds; None at first."""
        return None if self.latest_us is None else self.latest_us - self.max_out_of_orderness_us
