"""How the files of a clip are named: the endings of each kind."""

import re

ARCHIVES = (".tar.gz", ".tar", ".zip", ".tgz")
AUDIO = (".wav", ".flac", ".ogg", ".mp3", ".m4a", ".opus", ".aac")
VIDEO = tuple(".mp4 .mov .avi .mkv .webm .m4v .mpg .mpeg .wmv .flv .3gp .mts .m2ts".split())
FRAME = re.compile(r"_\d+_keypoints\.json$")  # OpenPose's file of one frame, not a clip
ARRAYS = (".npz", ".npy", ".pkl")
SINGLE = (".json", *ARRAYS)  # formats with a complete clip in one file
