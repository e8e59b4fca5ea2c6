"""Profiles: the mergeable state of a data set, its columns and its header."""

from polarsprof.profiles.profile import Profile

__all__ = ["Profile"]

# Pickles name this package, so modules inside can move without breaking pickles made by Ray, Beam or Dask.
Profile.__module__ = __name__
