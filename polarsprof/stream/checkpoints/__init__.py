"""Checkpoints: the durable state of a writer, and the decision when to save it."""
