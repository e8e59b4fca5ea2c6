"""Profiles: the mergeable state of a data set, with its columns and its header."""

from polarsprof.profiles.profile import Profile

__all__ = ["Profile"]

# Pickles name this package, so that modules can move inside it without breaking pickles of Ray, Beam or Dask.
Profile.__module__ = __name__
