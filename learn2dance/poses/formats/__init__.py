"""Readers of pose files, grouped by format; `other_tools.detect` finds a file's format.

May import what `learn2dance.poses` may.
"""
