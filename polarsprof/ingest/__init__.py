"""Records, JSON lines, tables and files in, `TypedColumns` out."""
