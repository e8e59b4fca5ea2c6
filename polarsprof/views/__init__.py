"""Views: profiles in; a frame, text, HTML, a plot or a terminal table out.

Pure and read-only. They know profiles by their public attributes alone and import nothing of the library but errors and
windows, so that a profile can show itself through them. Whatever comes from the data passes through `views.text.clean`
on its way to a reader.
"""
