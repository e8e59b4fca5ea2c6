"""Interpreters of environments of their own, which variables name; without one, who asks is skipped."""

from __future__ import annotations

import os

import pytest


def interpreter(variable, packages):
    """The interpreter that the variable names, which has those packages."""
    found = os.environ.get(variable)
    if not found:
        pytest.skip(f"{variable} names no interpreter with {packages}")
    return found
