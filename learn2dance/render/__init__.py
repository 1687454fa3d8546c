"""Skeletons as pictures and films.

May import `learn2dance.media`, `learn2dance.data` and `learn2dance.motion`.
"""
