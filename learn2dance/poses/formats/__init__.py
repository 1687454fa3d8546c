"""Readers of pose files, one module a format; `other_tools.detect` tells which format a file is.

May import what `learn2dance.poses` may.
"""
