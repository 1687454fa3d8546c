"""Readers of pose files, grouped by format; `other_tools.read` finds a file's format.

May import what `learn2dance.poses` may.
"""

FORMATS = ("openpose", "coco", "mmpose", "brace", "aist", "array")  # see `other_tools`
