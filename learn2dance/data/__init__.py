"""Files on disk: the data root and its clips, ``.npz`` files and their schemas, checkpoints, temporary files.

May import `learn2dance.motion` and the top-level modules (`cli`, `errors` …).
"""
