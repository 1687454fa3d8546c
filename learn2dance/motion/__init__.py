"""Skeletons and motion as arrays: joints, resampling and speed, windows, synchronisation with the beat, PCA.

May import only the top-level modules (`cli`, `errors` …).
"""
