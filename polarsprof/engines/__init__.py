"""Profiles computed by other engines; only the module of an engine imports it."""
