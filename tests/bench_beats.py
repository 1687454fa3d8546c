"""Beats, downbeats, tempo and metre of songs that have true ones, by mir_eval, beside librosa's trackers.

Songs: DATA/street (true beats of AIST++, drum tracks on them), and clicks and drums made here. Other trackers take part
by their output: --write saves the songs as .wav, --other reads DIR/<song>.txt with the time of each beat, in seconds,
and its number in the bar, from 1.

Columns: F-measure of beats within 70 ms; CMLt and AMLt, the fraction of beats in a continuous passage at the right
metrical level, and at that, its double, its half or off-beat (Davies, Degara and Plumbley 2009); F-measure of
downbeats; the fraction of songs whose median tempo is within 4%, exactly and but for a factor of 2 or 3 (Gouyon et al.
2006); and with the right beats in a bar. Nothing is trimmed at the start, as many songs last ten seconds.

Example: python tests/bench_beats.py shared/data --write out/songs --other BeatNet=out/beatnet
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import librosa
import mir_eval
import numpy as np
from scipy.io import wavfile

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "music")]

from sounds import GROOVES, groove, steady, with_stop, with_tempi

from learn2dance.media import audio
from learn2dance.music import features

COLUMNS = ("beats F", "CMLt", "AMLt", "downbeats F", "tempo", "tempo x2, x3", "metre")


class Song(NamedTuple):
    """A song with its true beats (B,), in seconds, the first of which is a downbeat."""

    kind: str
    name: str
    y: np.ndarray
    beats: np.ndarray
    beats_per_bar: int


def songs(data: Path) -> Iterator[Song]:
    """Yield all songs."""
    for path in sorted((data / "street" / "beats").glob("*.txt")):
        sound = audio.load(data / "street" / "audio" / f"{path.stem}.ogg")
        yield Song("street", path.stem, sound, np.loadtxt(path), 4)
    made = {
        "usual tempo": [
            (name, steady(bpm, 30), 30)
            for name in ("clicks in 3/4", "clicks in 4/4", "waltz", "rock", "four on the floor", "sixteenths")
            for bpm in (72, 84, 96, 110, 124, 138)
        ],
        "146-180 a minute": [
            (name, steady(bpm, 30), 30)
            for name in ("backbeat clicks", "rock", "four on the floor", "trance")
            for bpm in (146, 150, 155, 160, 168, 174, 180)
        ],
        "stop": [
            (name, with_stop(118, seconds, at, pause), seconds)
            for name in ("clicks in 4/4", "rock", "waltz")
            for seconds, at, pause in ((60, 54, 1.9), (60, 30, 1.9), (60, 6, 1.7), (120, 112, 0.8), (180, 160, 1.9))
        ],
        "tempo change": [
            (name, with_tempi(tempi, seconds), seconds)
            for name in ("clicks in 4/4", "rock", "four on the floor")
            for tempi, seconds in (
                ([(54, 118), (54, 110)], 60),
                ([(54, 118), (60, 100)], 60),
                ([(50, 118), (60, 140)], 60),
                ([(30, 118), (30, 130)], 60),
                ([(0, 118), (60, 130)], 60),
            )
        ],
    }
    for kind, rows in made.items():
        for number, (name, beats, seconds) in enumerate(rows):
            label = f"{kind} {number} {name}".replace("/", "_")
            yield Song(kind, label, groove(name, beats, seconds), beats, GROOVES[name][0])


def learn2dance(song: Song) -> tuple[np.ndarray, np.ndarray | None]:
    """Track by this package; return beats (B,) in seconds, and the number of each in its bar or None."""
    found = features.features(song.y, song.name)
    return found["beats"], (np.arange(len(found["beats"])) - found["downbeat"]) % found["beats_per_bar"] + 1


def beat_track(song: Song) -> tuple[np.ndarray, None]:
    """Track by librosa's dynamic programming (Ellis 2007)."""
    return librosa.beat.beat_track(y=song.y, sr=audio.SR, units="time")[1], None


def plp(song: Song) -> tuple[np.ndarray, None]:
    """Track by the peaks of librosa's predominant local pulse (Grosche and Müller 2011)."""
    pulse = librosa.beat.plp(y=song.y, sr=audio.SR)
    return librosa.frames_to_time(np.flatnonzero(librosa.util.localmax(pulse)), sr=audio.SR), None


def score(song: Song, beats: np.ndarray, numbers: np.ndarray | None) -> list[float]:
    """Return the values of `COLUMNS`, NaN where a tracker says nothing."""
    if len(beats) < 2:
        return [0.0] * len(COLUMNS)
    cmlt, amlt = (mir_eval.beat.continuity(song.beats, beats)[i] for i in (1, 3))
    ratio = np.median(np.diff(song.beats)) / np.median(np.diff(beats))
    tempo = [any(abs(ratio * f - 1) < 0.04 for f in factors) for factors in ((1,), (1, 2, 0.5, 3, 1 / 3))]
    downbeats, metre = np.nan, np.nan
    if numbers is not None:
        downbeats = mir_eval.beat.f_measure(song.beats[:: song.beats_per_bar], beats[numbers == 1])
        bars = np.diff(np.flatnonzero(numbers == 1))
        metre = len(bars) > 0 and np.median(bars) == song.beats_per_bar
    return [mir_eval.beat.f_measure(song.beats, beats), cmlt, amlt, downbeats, *tempo, metre]


def main(argv: list[str]) -> None:
    """Score all trackers and print a table for each kind of song."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder that holds street/")
    parser.add_argument("--write", type=Path, metavar="DIR", help="write the songs as .wav")
    parser.add_argument("--other", action="append", default=[], metavar="NAME=DIR", help="beats of another tracker")
    args = parser.parse_args(argv)
    trackers = {"learn2dance": learn2dance, "beat_track": beat_track, "plp": plp}
    others = dict(other.split("=", 1) for other in args.other)
    rows: dict[str, dict[str, list]] = {}
    for song in songs(args.data):
        if args.write:
            args.write.mkdir(parents=True, exist_ok=True)
            wavfile.write(args.write / f"{song.name}.wav", audio.SR, song.y)
        found = {name: track(song) for name, track in trackers.items()}
        for name, folder in others.items():
            table = np.loadtxt(Path(folder) / f"{song.name}.txt", ndmin=2).reshape(-1, 2)
            found[name] = table[:, 0], table[:, 1]
        for name, one in found.items():
            rows.setdefault(song.kind, {}).setdefault(name, []).append(score(song, *one))
    for kind, scored in rows.items():
        print(f"\n{kind}, {len(scored['learn2dance'])} songs")
        print(" " * 14 + "  ".join(COLUMNS))
        for name, values in scored.items():
            cells = [
                f"{value:{len(column)}.2f}" for value, column in zip(np.mean(values, axis=0), COLUMNS, strict=True)
            ]
            print(f"{name:14}" + "  ".join(cells).replace("nan", "  -"))


if __name__ == "__main__":
    main(sys.argv[1:])
