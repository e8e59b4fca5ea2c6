"""Views: profiles and analyses as frames, text, HTML and plots.

Views are pure and read-only. They format figures and compute none: figures come from profiles and from `analysis`.
Every text from the data passes through `profiles.text.clean` before a reader sees it.
"""
