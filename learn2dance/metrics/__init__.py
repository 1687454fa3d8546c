"""How dances are measured: motion features, distances between distributions, and fit to the beat.

May import `learn2dance.media`, `learn2dance.data` and `learn2dance.motion`.
"""
