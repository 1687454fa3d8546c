"""Draw skeletons as images and videos.

May import `learn2dance.media`, `learn2dance.data` and `learn2dance.motion`.
"""
