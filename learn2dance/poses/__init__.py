"""From videos, or from other tools' files, to clean joints of one dancer.

May import `learn2dance.media`, `learn2dance.data` and `learn2dance.motion`.
"""
