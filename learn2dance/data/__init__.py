"""What is on disk: the data root and its clips, the ``.npz`` files and their schemas, checkpoints, unfinished files.

May import `learn2dance.motion` and the modules of the top level (`cli`, `errors` …).
"""
