"""Good input of every kind, small, which the mutations change."""

import base64
import functools
import io
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from fuzzing import mutate
from poses.formats import format_samples

from learn2dance import generation
from learn2dance.data import npz as data_npz
from learn2dance.data import openpose_files
from learn2dance.evaluation import preference
from learn2dance.media import ffmpeg

FRAMES = 20
ANY_FILE = tuple(f"file.{ending}" for ending in ("wav flac ogg mp3 m4a opus aac mka mp4 avi mkv webm mpg mov txt srt "
                                                 "m3u8 m3u pls ffconcat sdp lrc jpg xspf mpd").split())  # fmt: skip


@functools.cache
def openpose() -> dict[str, bytes]:
    """Return OpenPose's files of a short clip."""
    rows = format_samples.TRUTH[:FRAMES]
    people = np.concatenate([rows, np.zeros((FRAMES, 10, 3))], 1)  # BODY_25 without eyes and feet
    return {openpose_files.name("c", t): openpose_files.text([people[t]]).encode() for t in range(FRAMES)}


@functools.cache
def pose_files() -> dict[str, object]:
    """Return the contents of files with a whole clip, by their endings and what distinguishes them."""
    few = range(FRAMES)
    plain = format_samples.TRUTH[:FRAMES]
    found = {"coco.json": format_samples.coco_results(frames=few), "mmpose.json": format_samples.instances(0)[:FRAMES]}
    found["demo.json"] = {"meta_info": {"dataset_name": "coco"}, "instance_info": format_samples.instances(1)[:FRAMES]}
    found["brace.json"] = format_samples.brace(0, FRAMES)
    found["aist.pkl"] = {
        key: np.array(value)[:, :FRAMES] for key, value in format_samples.aist().items() if key != "timestamps"
    }
    found["array.npy"] = {"poses": plain}
    found["array.npz"] = {"poses": plain[..., :2], "confidence": plain[..., 2], "fps": np.array(25.0)}
    return found


def npy(parts: object) -> bytes:
    """Return an .npy of the first value of a dict, or of what has come in its place."""
    file = io.BytesIO()
    np.save(file, _array(next(iter(parts.values()), None) if isinstance(parts, dict) else parts))
    return file.getvalue()


def npz(parts: object) -> bytes:
    """Return an .npz of a dict of arrays and other values; what numpy takes for objects is pickled."""
    file = io.BytesIO()
    parts = parts if isinstance(parts, dict) else {"poses": parts}
    np.savez(
        file,
        **{
            str(key).replace("/", "_")[:60].replace("\0", "") or "x": _array(value)
            for key, value in parts.items()
            if str(key) != "file"
        },
    )
    return file.getvalue()


def _array(value: object) -> np.ndarray:
    try:
        return np.asarray(value)
    except (ValueError, OverflowError):
        return np.array(value, object)


def dance(model: generation.Model, music: dict, target: Path) -> Path:
    """Write a generated dance as eval.py does."""
    data_npz.save(target, "dance", "eval.py", {}, {}, **generation.dance(model, music, 0))
    return target


def _media(folder: Path, kinds: dict[str, str], source: str) -> dict[str, bytes]:
    found = {}
    for ending, options in kinds.items():
        path = folder / f"x.{ending}"
        command = [ffmpeg.encoder(), "-v", "error", "-y", *source.split(), *options.split(), str(path)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
        found[ending] = path.read_bytes()
    return found


@functools.cache
def sounds() -> dict[str, bytes]:
    """Return two seconds of sound in eight containers."""
    kinds = {"wav": "", "flac": "", "ogg": "-c:a libvorbis", "mp3": "-b:a 64k", "m4a": "-c:a aac", "aac": "-c:a aac"}
    kinds |= {"opus": "-c:a libopus", "mka": "-c:a libopus"}
    with tempfile.TemporaryDirectory() as folder:
        return _media(Path(folder), kinds, "-f lavfi -i sine=440:r=22050:d=2 -ac 2")


@functools.cache
def films() -> dict[str, bytes]:
    """Return a second of video in four containers."""
    kinds = {"mp4": "-c:v mpeg4", "avi": "-c:v mpeg4", "mkv": "-c:v mpeg4", "mpg": "-c:v mpeg1video -r 25"}
    with tempfile.TemporaryDirectory() as folder:
        return _media(Path(folder), kinds, "-f lavfi -i testsrc=s=64x48:r=25:d=1")


_TARGETS = ("/etc/hostname", "file:///etc/hostname", "http://127.0.0.1:9/a.mp3", "concat:/etc/hostname|/etc/passwd",
            "data:audio/wav;base64,UklGRg==", "song.wav", "../../canary", "subfile,,start,0,end,9,,:/etc/hostname",
            "file.m3u8", "lavfi:sine", "tcp://127.0.0.1:9?listen", "x" * 5000, "%d.wav", "pipe:0")  # fmt: skip
_TEXTS = (
    "#EXTM3U\n#EXTINF:9,x\n{0}\n", "\n #EXTM3U\n{0}\n", "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{0}\n"
    "#EXT-X-ENDLIST\n", "[playlist]\nFile1={0}\nNumberOfEntries=1\n", "ffconcat version 1.0\nfile '{0}'\n",
    "file '{0}'\nduration 9\n", "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 9 RTP/AVP 0\n",
    "<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011'><Period><AdaptationSet><BaseURL>{0}</BaseURL>"
    "</AdaptationSet></Period></MPD>", "<smil><body><audio src='{0}'/></body></smil>", "{0}\n", "[Script Info]\n{0}",
    "1\n00:00:01,000 --> 99:59:59,000\n{0}\n", "[00:01.00]{0}\n[99:00.00]x", "WEBVTT\n\n00:01.000 --> 99:00.000\n{0}",
    "{{1}}{{99999999}}{0}\n", ";FFMETADATA1\ntitle={0}\n", "Lyrics\nof a song\n" * 40, "\x1b[2J\x1b[99;99H{0}" * 20,
    "ID3\x03\0\0\0\0\0\0{0}", "RIFF\xff\xff\xff\xffWAVEfmt {0}", "P5 30000 30000 255\n{0}", "#!/bin/sh\ntouch canary\n",
    "%!PS\n{0}", "<html><body>404 {0}</body></html>", "<svg xmlns='http://www.w3.org/2000/svg'/>",
    "YUV4MPEG2 W9999 H9999 F25:1\nFRAME\n{0}", "SBaGen\n", "-- This is a SBaGen file\nNOW pink/40\n", "!<sdx2>{0}",
    "<SAMI><BODY><SYNC Start=999999999>{0}</SAMI>", "# 0, 0, 0, 1, 9, {0}", "\xff\xf1{0}", "OggS{0}",
    "fLaC{0}", "DSD {0}",
    "MThd{0}", "Extended Module: {0}", "IMPM{0}",
    "caff\0\1\0\0desc{0}", ".snd\0\0\0\x18\xff\xff\xff\xff\0\0\0\1\0\0V\"\0\0\0\1{0}",
)  # fmt: skip


def playlist(rng: np.random.Generator) -> dict[str, bytes]:
    """Return a playlist or other text, changed or not, named as sound."""
    text = str(mutate.pick(rng, _TEXTS)).format(mutate.pick(rng, _TARGETS))
    packed = (text * int(mutate.pick(rng, [1, 1, 1, 50]))).encode("latin1", "replace")
    return {mutate.pick(rng, ANY_FILE): mutate.data(rng, packed) if rng.random() < 0.5 else packed}


def answers() -> str:
    """Return a table of answers."""
    lines = [",".join(preference.COLUMNS)]
    a, b = (base64.b64encode(name.encode()).decode() for name in ("new", "old"))
    for trial in range(6):
        question, mismatched = ("realism", "music")[trial % 2], ("", "A")[trial % 2]
        lines.append(f"s1,r{trial % 3},{trial},{question},{a},{b},{mismatched},{'AB'[trial % 2]}")
    return "\n".join(lines) + "\n"
