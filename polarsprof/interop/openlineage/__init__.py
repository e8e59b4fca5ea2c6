"""OpenLineage: the event of a profile, and its emitter."""
