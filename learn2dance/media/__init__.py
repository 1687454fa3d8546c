"""Audio and video files in and out, all of them by ffmpeg.

May import `learn2dance.data`, and below it `learn2dance.motion`.
"""
