"""Formats of others, a module each."""
