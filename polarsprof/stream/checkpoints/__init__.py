"""Checkpoints: the durable state of a writer, and the decision when to save it.

Internal: nothing in it is public.
"""
