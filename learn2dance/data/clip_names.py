"""How the files of a clip are named: the endings of each kind, names that differ in spelling, files to ignore."""

import re
import unicodedata
from collections.abc import Iterable

ARCHIVES = (".tar.gz", ".tar", ".zip", ".tgz")
AUDIO = (".wav", ".flac", ".ogg", ".mp3", ".m4a", ".opus", ".aac")
VIDEO = tuple(".mp4 .mov .avi .mkv .webm .m4v .mpg .mpeg .wmv .flv .3gp .mts .m2ts".split())
FRAME = re.compile(r"_\d+_keypoints\.json$")  # OpenPose's file of one frame, not a clip
ARRAYS = (".npz", ".npy", ".pkl")
SINGLE = (".json", *ARRAYS)  # formats with a complete clip in one file
NOT_FITTING = "expected a name that is one line of UTF-8, for clips.csv; rename it"  # what is said unless `fits_tables`
_ENDINGS = (*ARCHIVES, *AUDIO, *VIDEO, *SINGLE)
_FILE_MANAGERS = ("__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r")
_AIST_SONG = re.compile(r"_m([A-Z]{2}\d)_")


def ignored(name: str) -> bool:
    """Tell whether a file, by its name or path within a folder, is hidden or a file manager's, and no data."""
    if "/" in name:
        return any(map(ignored, name.split("/")))
    return name[:1] == "." or name.lower() in _FILE_MANAGERS


def fits_tables(name: str) -> bool:
    """Tell whether a clip's name is one line of UTF-8, so that clips.csv and splits/ can hold it."""
    return name.splitlines() == [name] and name.encode(errors="ignore").decode() == name


def match(name: str, clips: Iterable[str]) -> list[str]:
    """List the clips that a name in a table may mean: the one of that name, or else those that differ in spelling.

    Spelling is upper and lower case, the form of accents in Unicode, folders before the name, and a file's ending.
    """
    clips = sorted(clips)
    return [name] if name in clips else [clip for clip in clips if _plain(clip) == _plain(name)]


def aist_song(clip: str) -> str | None:
    """Return the song in a name of AIST's data, e.g. ``BR0`` in ``gBR_sBM_cAll_d04_mBR0_ch01``; None in others."""
    found = _AIST_SONG.search(clip)
    return found[1] if found else None


def _plain(name: str) -> str:
    name = unicodedata.normalize("NFC", re.split(r"[/\\]", name)[-1].strip()).casefold()
    return next((name[: -len(ending)] for ending in _ENDINGS if name.endswith(ending)), name)
