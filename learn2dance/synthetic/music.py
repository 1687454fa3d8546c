"""Toy music: drums, bass and chords for each dance style, synthesised note by note.

A bass note and a chord change mark the first beat of each bar; sections of four bars alternate between calm and full
playing.
"""

from dataclasses import dataclass

import numpy as np

from learn2dance.synthetic.figures import Style

RATE = 22050  # Hz, sample rate
_SECTION = 4  # bars in a section
_MAJOR = (0, 2, 4, 5, 7, 9, 11)  # semitones above the key of the degrees of the major scale


@dataclass(frozen=True)
class Part:
    """What is played in a bar: tuples of beat, what, loudness; those of `full` are added in a full section.

    What: a name in `_DRUMS`; for the bass 0, 1, 2 for root, third, fifth and 3 for the octave; for chords their
    duration in beats.
    """

    drums: tuple[tuple[float, str, float], ...]
    full: tuple[tuple[float, str, float], ...]
    bass: tuple[tuple[float, int, float], ...]
    chords: tuple[tuple[float, float, float], ...]
    pad: float  # loudness of the chord that is held through the bar
    progressions: tuple[tuple[int, ...], ...]  # degrees of the major scale from 0, one for each bar


BANDS = {
    "waltz": Part(
        drums=((0, "kick", 0.9), (0, "ride", 0.45), (1, "hat", 0.15), (2, "hat", 0.15)),
        full=((0, "snare", 0.3), (1, "snare", 0.1), (2, "snare", 0.1), (2.5, "hat", 0.05)),
        bass=((0, 0, 1.0),),
        chords=((0, 0.9, 0.5), (1, 0.45, 0.35), (2, 0.45, 0.3)),
        pad=0.22,
        progressions=((0, 3, 4, 0), (0, 5, 1, 4), (5, 3, 0, 4), (0, 0, 3, 4)),
    ),
    "chacha": Part(
        drums=((0, "kick", 0.9), (0, "bell", 0.5), (1, "bell", 0.2), (2, "bell", 0.2), (3, "bell", 0.2))
        + ((0, "ride", 0.4), (1, "shaker", 0.15), (2, "shaker", 0.1), (3, "conga", 0.5), (3.5, "conga", 0.4)),
        full=((0, "snare", 0.3), (2, "kick", 0.4), *((beat + 0.5, "shaker", 0.06) for beat in range(4))),
        bass=((0, 0, 1.0), (2, 2, 0.35), (3, 3, 0.5)),
        chords=((0, 0.4, 0.6), (1, 0.4, 0.35), (2, 0.4, 0.35), (3, 0.2, 0.35), (3.5, 0.2, 0.35)),
        pad=0.06,
        progressions=((0, 3, 4, 3), (5, 3, 4, 4), (1, 4, 0, 5), (5, 4, 3, 4)),
    ),
    "disco": Part(
        drums=((0, "ride", 0.5), (1, "clap", 0.15), (2, "clap", 0.06), (3, "clap", 0.15))
        + ((0, "kick", 1.0), (1, "kick", 0.8), (2, "kick", 0.8), (3, "kick", 0.8)),
        full=((0, "crash", 0.3), *((beat + 0.5, "hat", 0.14) for beat in range(4)), (0, "snare", 0.3)),
        bass=((0, 0, 1.0), (0.5, 3, 0.25), (1, 0, 0.6), (1.5, 3, 0.25), (2, 0, 0.6), (2.5, 3, 0.25), (3, 0, 0.5)),
        chords=((0, 0.9, 0.7), (2, 0.4, 0.35), (3, 0.4, 0.3)),
        pad=0.15,
        progressions=((5, 3, 0, 4), (0, 4, 5, 3), (5, 4, 3, 4), (1, 5, 3, 4)),
    ),
}


@dataclass(frozen=True)
class Song:
    """A song's plan: all that the dance depends on."""

    style: Style
    beat: float  # seconds per beat
    downbeat: float  # seconds: start of the first bar that starts in the song
    beats: np.ndarray  # seconds (B,), all beats in the song
    energies: np.ndarray  # 0 calm or 1 full (bars,), from two bars before `downbeat` on to the end
    key: int  # MIDI note of the key


def random_song(style: Style, seconds: float, rng: np.random.Generator) -> Song:
    """Draw a song of this duration: tempo, position in the bar at time 0, sections and key."""
    beat = 60 / rng.uniform(*style.tempo)
    downbeat = rng.uniform(0, style.beats_per_bar) * beat
    numbers = np.arange(np.ceil(-downbeat / beat), np.ceil((seconds - downbeat) / beat))
    bars = int(np.ceil((seconds - downbeat) / beat / style.beats_per_bar))
    section = np.arange(-2, bars) // _SECTION + int(rng.integers(2))
    return Song(style, beat, downbeat, downbeat + numbers * beat, section % 2, int(rng.integers(48, 60)))


def synthesise(song: Song, seconds: float, rng: np.random.Generator) -> np.ndarray:
    """Play a song: int16 samples (seconds * RATE,), mono, at `RATE` Hz."""
    band, beats_per_bar = BANDS[song.style.name], song.style.beats_per_bar
    sound = np.zeros(round(seconds * RATE))
    drums = {name: make(rng) for name, make in _DRUMS.items()}
    verse = band.progressions[rng.integers(len(band.progressions))]
    bright = rng.uniform(0.6, 0.95)  # timbre of the chords

    def add(bar: int, at: float, note: np.ndarray, loudness: float) -> None:
        """Mix a note in; parts before the start or after the end of the song are cut off."""
        begin = round((song.downbeat + (bar * beats_per_bar + at) * song.beat) * RATE)
        part = note[max(0, -begin) : max(0, len(sound) - begin)]
        begin = max(0, begin)
        sound[begin : begin + len(part)] += loudness * rng.uniform(0.92, 1.08) * part

    for bar, full in enumerate(song.energies, start=-2):
        degrees = [verse[bar % len(verse)] + step for step in (0, 2, 4, 7)]
        chord = [song.key + 12 * (degree // 7) + _MAJOR[degree % 7] for degree in degrees]
        for at, name, loudness in band.drums + (band.full if full else ()):
            add(bar, at, drums[name], loudness)
        for at, step, loudness in band.bass:
            add(bar, at, _note(chord[step] - 12, 0.9 * song.beat, 5, decay=3), 0.5 * loudness)
        for at, beats, loudness in band.chords:
            for pitch in chord[:3]:
                note = _note(pitch + 12, beats * song.beat, 6, bright, decay=5)
                add(bar, at, note, 0.16 * loudness * (1 + 0.3 * full))
        for pitch in chord[:3]:
            add(bar, 0, _note(pitch + 12, beats_per_bar * song.beat, 4, fade=(0.08, 0.12)), 0.3 * band.pad)
    return np.round(sound / np.abs(sound).max() * 0.8 * 32767).astype(np.int16)


def _time(seconds: float) -> np.ndarray:
    return np.arange(int(seconds * RATE)) / RATE


def _note(pitch: int, seconds: float, count: int, bright=1.0, decay=0.0, fade=(0.004, 0.02)) -> np.ndarray:
    """Return a note of a MIDI pitch with this many harmonics; `fade` is the seconds of attack and release."""
    t, frequency = _time(seconds), 440 * 2 ** ((pitch - 69) / 12)
    sound = sum(bright ** (k - 1) / k * np.sin(2 * np.pi * k * frequency * t) for k in range(1, count + 1))
    return sound * np.exp(-decay * t) * np.clip(np.minimum(t / fade[0], (t[-1] - t) / fade[1]), 0, 1)


def _noise(rng: np.random.Generator, seconds: float, decay: float) -> np.ndarray:
    """Return decaying noise, high-passed by differencing."""
    t = _time(seconds)
    return np.diff(rng.standard_normal(len(t) + 1)) * 0.5 * np.exp(-decay * t)


def _tone(seconds: float, decay: float, frequency: float, fall: float = 0.0) -> np.ndarray:
    """Return a drum: a decaying sine that starts at (1 + fall) times its final frequency."""
    t = _time(seconds)
    phase = frequency * (t + fall * (1 - np.exp(-30 * t)) / 30)
    return np.sin(2 * np.pi * phase) * np.exp(-decay * t)


_DRUMS = {
    "kick": lambda rng: _tone(0.3, 14, 52, fall=2.2),
    "snare": lambda rng: _noise(rng, 0.2, 22) + 0.4 * _tone(0.2, 25, 190),
    "clap": lambda rng: _noise(rng, 0.18, 26),
    "hat": lambda rng: _noise(rng, 0.08, 60),
    "shaker": lambda rng: _noise(rng, 0.10, 40),
    "ride": lambda rng: _noise(rng, 0.5, 9),
    "crash": lambda rng: _noise(rng, 0.9, 5),
    "bell": lambda rng: 0.5 * (_tone(0.15, 22, 562) + _tone(0.15, 22, 845)),
    "conga": lambda rng: _tone(0.2, 18, 210, fall=0.3),
}
