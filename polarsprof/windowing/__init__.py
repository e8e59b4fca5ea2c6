"""Event time: durations, windows, watermarks, and the clock."""
