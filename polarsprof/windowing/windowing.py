"""`Windowing`: the rule by which a stream is cut into windows; pure arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from polarsprof.windowing.tumbling import Tumbling, Window, label_of_instant

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Windowing:
    """How a stream is cut into windows; durations and instants in microseconds.

    Attributes
    ----------
    tumbling
        The windows; None for one window from `start_us` on.
    timestamp
        Path of the event time; None uses the time of arrival.
    timestamp_unit
        Unit of numeric event times; None infers it from their magnitude.
    max_out_of_orderness_us
        Distance of the watermark behind the latest event time.
    allowed_lateness_us
        Rows are rejected if their window ended longer ago than this, by the watermark; None rejects none.
    idle_timeout_us
        Silence after which all windows are sealed; None never seals them for silence. With event time only.
    max_future_us
        Rows further ahead of the clock do not advance the watermark.
    max_open_windows
        Most windows open at a time; beyond it the oldest is sealed.
    start_us
        Start of the one window of a stream without rotation.
    """

    tumbling: Tumbling | None
    timestamp: str | None
    timestamp_unit: str | None
    max_out_of_orderness_us: int
    allowed_lateness_us: int | None
    idle_timeout_us: int | None
    max_future_us: int
    max_open_windows: int
    start_us: int

    def starts(self, times_us: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the start of the window of each time."""
        return np.full_like(times_us, self.start_us) if self.tumbling is None else self.tumbling.starts(times_us)

    def window(self, start_us: int, now_us: int) -> Window:
        """Return the window with that start; without rotation it ends now."""
        if self.tumbling is None:
            return Window(start_us, max(now_us, start_us + 1))
        return self.tumbling.window_of(start_us)

    def label(self, window: Window) -> str:
        """Return the name of the window in a file name."""
        return label_of_instant(window.start_us) if self.tumbling is None else self.tumbling.label(window)
