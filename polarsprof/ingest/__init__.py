"""Records, JSON lines, tables and files in, `TypedColumns` out.

Internal: nothing in it is public.
"""
