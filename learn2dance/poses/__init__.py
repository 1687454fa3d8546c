"""Turn videos, or pose files of other tools, into clean joints of one dancer.

May import `learn2dance.media`, `learn2dance.data` and `learn2dance.motion`.
"""
