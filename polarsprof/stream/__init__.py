"""Streams: records in from any thread or source, panes in a store out.

Internal: import its public names from `polarsprof`.
"""
