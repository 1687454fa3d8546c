"""From a song to its features and its beat grid.

May import `learn2dance.media`, `learn2dance.data` and `learn2dance.motion`.
"""
