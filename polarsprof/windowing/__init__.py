"""Event time: durations, windows, watermarks, and the clock.

Internal: import its public names from `polarsprof`.
"""
