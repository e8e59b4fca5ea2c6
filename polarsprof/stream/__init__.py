"""A stream in, panes in a store out."""
