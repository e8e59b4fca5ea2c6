"""Panes in folders and object stores; profiles of windows and ranges out."""

from __future__ import annotations

from polarsprof.store.compaction import Compaction
from polarsprof.store.names import Pane, slug
from polarsprof.store.profile_store import ProfileStore

__all__ = ["Compaction", "Pane", "ProfileStore", "slug"]
