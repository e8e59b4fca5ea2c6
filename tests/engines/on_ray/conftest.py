"""The laws are collected only if Ray is installed."""

from __future__ import annotations

import importlib.util

collect_ignore = [] if importlib.util.find_spec("ray") else ["laws.py"]
