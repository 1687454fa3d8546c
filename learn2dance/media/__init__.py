"""Reading and writing audio and video files, all by ffmpeg.

May import `learn2dance.data`, `learn2dance.motion` and the top-level modules (`cli`, `errors` …).
"""
