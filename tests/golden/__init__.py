"""Profile files of every format version, and their figures."""
