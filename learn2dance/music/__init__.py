"""Compute a song's features and its beat grid.

May import `learn2dance.media`, `learn2dance.data` and `learn2dance.motion`.
"""
