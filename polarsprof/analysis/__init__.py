"""Figures of profiles: by name, over time, as histograms, and as drift.

Takes profiles and returns numbers and decisions. Text appears only as a value of a frame; `views` does all other
formatting.
"""
