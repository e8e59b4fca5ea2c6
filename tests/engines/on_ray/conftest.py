"""The laws are collected where Ray is."""

from __future__ import annotations

import importlib.util

collect_ignore = [] if importlib.util.find_spec("ray") else ["laws.py"]
