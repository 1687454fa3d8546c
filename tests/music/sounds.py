"""Songs whose beats, downbeats and tempo are known, made of clicks and drums."""

import numpy as np

from learn2dance.media.audio import SR


def tick(pitch: float) -> np.ndarray:
    """Return a click of this pitch in Hz."""
    k = np.arange(int(0.02 * SR)) / SR
    return np.sin(2 * np.pi * pitch * k) * np.exp(-k / 0.005)


def kick() -> np.ndarray:
    """Return a bass drum."""
    k = np.arange(int(0.25 * SR)) / SR
    return np.sin(2 * np.pi * (50 * k + 1.2 * (1 - np.exp(-k / 0.03)))) * np.exp(-k / 0.08)


def snare() -> np.ndarray:
    """Return a snare drum: noise, and a little of the drum's own pitch."""
    k = np.arange(int(0.15 * SR)) / SR
    noise = np.random.default_rng(1).standard_normal(len(k))
    return (0.3 * noise + 0.3 * np.sin(2 * np.pi * 190 * k)) * np.exp(-k / 0.04)


def hat() -> np.ndarray:
    """Return a hi-hat: noise without bass."""
    k = np.arange(int(0.15 * SR)) / SR
    return 0.2 * np.diff(np.random.default_rng(2).standard_normal(len(k)), prepend=0) * np.exp(-k / 0.012)


def mixed(times: np.ndarray, seconds: float, sounds: list[np.ndarray]) -> np.ndarray:
    """Put one sound at each time; return float32 (n,) of this length."""
    y = np.zeros(int((seconds + 1) * SR))
    for time, sound in zip(times, sounds, strict=True):
        start = round(time * SR)
        y[start : start + len(sound)] += sound
    return y[: int(seconds * SR)].astype(np.float32)


def steady(bpm: float, seconds: float, start: float = 0.37) -> np.ndarray:
    """Return beats at one tempo, in seconds."""
    return np.arange(start, seconds - 0.05, 60 / bpm)


def with_stop(bpm: float, seconds: float, at: float, pause: float) -> np.ndarray:
    """Return beats at one tempo but for one longer distance, in seconds, after the last beat before a time."""
    first = steady(bpm, at)
    return np.concatenate([first, np.arange(first[-1] + pause, seconds - 0.05, 60 / bpm)])


def with_tempi(tempi: list[tuple[float, float]], seconds: float) -> np.ndarray:
    """Return beats whose tempo (time in seconds, beats a minute) is linear between these times."""
    beats, (times, bpm) = [0.37], zip(*tempi, strict=True)
    while beats[-1] < seconds - 0.05:
        beats.append(beats[-1] + 60 / np.interp(beats[-1], times, bpm))
    return np.array(beats[:-1])


# Letters of the grooves: what is struck.
DRUMS = {"k": kick(), "s": snare(), "h": hat(), "A": 0.8 * tick(1500), "a": 0.5 * tick(1500), "c": 0.3 * tick(1000)}
GROOVES = {  # name: beats in a bar, parts of a beat, voices with one letter for each part of a bar
    "clicks in 3/4": (3, 1, ["Acc"]),
    "clicks in 4/4": (4, 1, ["Accc"]),
    "backbeat clicks": (4, 1, ["cAcA"]),
    "four on the floor": (4, 4, ["k...k...k...k...", "..h...h...h...h.", "....s.......s..."]),
    "trance": (4, 4, ["k...k...k...k...", ".hh..hh..hh..hh.", "....s.......s..."]),
    "rock": (4, 2, ["k...k...", "..s...s.", "hhhhhhhh"]),
    "sixteenths": (4, 4, ["k.......k.k.....", "....s.......s...", "h.h.h.h.h.h.h.h."]),
    "waltz": (3, 2, ["k.....", "..s.s.", "h.h.h."]),
    "clicks in 5/4": (5, 1, ["Acacc"]),
    "drums in 5/4": (5, 2, ["k..k......", "....s...s.", "hhhhhhhhhh"]),
    "clicks in 7/4": (7, 1, ["Acacacc"]),
    "drums in 7/4": (7, 2, ["k.......k.....", "..s...s.....s.", "hhhhhhhhhhhhhh"]),
    "clicks in 6/8": (2, 3, ["Accacc"]),
    "drums in 6/8": (2, 3, ["k.....", "...s..", "hhhhhh"]),
}


def groove(name: str, beats: np.ndarray, seconds: float) -> np.ndarray:
    """Play a groove on beats (B,), in seconds, the first of which is a downbeat; return samples float32 (n,)."""
    _, parts, voices = GROOVES[name]
    at = np.interp(np.arange((len(beats) - 1) * parts + 1) / parts, np.arange(len(beats)), beats)
    notes = [(t, voice[i % len(voice)]) for voice in voices for i, t in enumerate(at)]
    times, drums = zip(*((t, drum) for t, drum in notes if drum != "."), strict=True)
    return mixed(times, seconds, [DRUMS[drum] for drum in drums])
