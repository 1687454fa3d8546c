"""Metrics of dances: motion features, distances between distributions, and alignment with the beat.

May import `learn2dance.media`, `learn2dance.data` and `learn2dance.motion`.
"""
