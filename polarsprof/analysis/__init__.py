"""Profiles in; figures over time and drift between them out."""
