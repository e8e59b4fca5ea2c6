"""Profile files of every format version, and what they say."""
