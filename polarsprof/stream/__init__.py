"""Streams: records in from any thread or source, panes in a store out."""
