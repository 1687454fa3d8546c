"""Skeletons and motion as arrays: joints, resampling and speed, windows, synchronisation with the beat.

May import the modules of the top level (`cli`, `errors` …) alone.
"""
