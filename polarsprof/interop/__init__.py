"""Formats and services of other projects, one module each."""
