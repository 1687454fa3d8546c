"""The choice of a style for a song: by metre, tempo, and the character of what each style was danced to.

It is a naive Bayes classifier. Of the styles in the song's metre, the one with the highest product of two likelihoods
is chosen: of the song's tempo, as tracked or with less weight in half or double time (Gouyon and Dixon, "Dance music
classification: a tempo-based approach", ISMIR 2004), and of its `character`. The prior of a style is the square root of
how much of it there is: dances of little material repeat themselves, but the songs of a user are not distributed as the
training data. The mean character of a style is estimated from its songs. With few songs it is close to that of music in
general; with none, the song's likelihood is that of music in general.
"""

from dataclasses import dataclass, fields

import numpy as np
from scipy.special import logsumexp

from learn2dance.data import checkpoint
from learn2dance.data.data_root import style_index
from learn2dance.errors import UserError
from learn2dance.music import beat_grid, character

# Mean and standard deviation of the characters of 39 recordings: 28 of waltzes, cha-chas, rumbas and a tango, and 11 of
# other genres. Then the standard deviation within a style, pooled over waltzes, cha-chas and rumbas.
GENERAL_MEAN = np.array([0.686, 1.569, -0.162, 0.473])
GENERAL_DEVIATION = np.array([0.105, 0.215, 0.331, 0.033])
STYLE_DEVIATION = np.array([0.086, 0.211, 0.153, 0.027])
# Percussive share above which music is little but drums: the recordings have 0.36-0.54, drum tracks 0.62-0.64. Drum
# tracks stand in for the music of dances that are published without it, and say nothing about its character.
DRUMS_ALONE = 0.58
TEMPO_DEVIATION = 0.07  # standard deviation of the logarithm of the tempi that suit what was danced at one tempo
OTHER_OCTAVE = 0.1  # weight of half and double time
SLOWEST, FASTEST = 0.8, 1.25  # bounds of `Choice.stretch`; beyond them only if no style is within


@dataclass(frozen=True)
class Profiles:
    """What the styles were danced to: the music of the N clips of a train split."""

    names: tuple[str, ...]  # of the styles
    style: np.ndarray  # int64 (N,): index into the names plus one; 0 if unknown
    tempo: np.ndarray  # float64 (N,): beats per minute
    beats_per_bar: np.ndarray  # int64 (N,): 3 or 4
    danced: np.ndarray  # int64 (N,): number of beats that were danced
    character: np.ndarray  # float64 (N, 4): see `character.character`; NaN if unknown


@dataclass(frozen=True)
class Choice:
    """The style for a song; ``str`` makes it a sentence for the log."""

    music: dict  # the song, with its beats counted in the octave
    index: int  # of the style in the names, plus one; 0 if unknown
    style: str | None
    octave: int  # 0: beats as tracked; -1: half time, every second beat; 1: double time
    stretch: float  # tempo of the song in the octave / nearest tempo at which the style was danced; NaN if unknown
    same_metre: bool  # whether the style was danced in the metre of the song
    runner_up: str | None  # the second best style; None if the style was given, or no other fits the metre as well

    def __str__(self) -> str:
        """Say what was chosen, at which tempo, and what does not fit."""
        time = {-1: " (half time)", 0: "", 1: " (double time)"}[self.octave]
        tempo = self.music["tempo"] * 2.0**self.octave
        stretch = f", {self.stretch:.2f} x as danced" if np.isfinite(self.stretch) else ""
        metre = f"bars of {self.music['beats_per_bar']}"
        parts = [f"style {self.style or 'unknown'}, {tempo:.0f} beats a minute{time}{stretch}, {metre}"]
        if not self.same_metre:
            parts.append(f"never danced in {metre}")
        if self.runner_up:
            parts.append(f"second best {self.runner_up}")
        return "; ".join(parts)


def describe(music: dict) -> dict:
    """Return what `collect` needs of the music of a clip: its ``tempo``, ``beats_per_bar`` and ``character`` (4,)."""
    return {key: music[key] for key in ("tempo", "beats_per_bar")} | {"character": character.character(music)}


def collect(names: tuple[str, ...], clips: list[dict]) -> Profiles:
    """Collect the profiles of styles from the clips of a train split.

    Each clip has what `describe` returns of its music; ``style``, its name or None; and ``danced``, a number of beats.
    The character of music that is little but drums counts as unknown.
    """
    found = np.array([clip["character"] for clip in clips], np.float64).reshape(-1, len(character.NAMES))
    found[found[:, character.NAMES.index("percussive share")] > DRUMS_ALONE] = np.nan
    return Profiles(
        names,
        np.array([style_index(clip["style"], names) for clip in clips], np.int64),
        np.array([clip["tempo"] for clip in clips], np.float64),
        np.array([clip["beats_per_bar"] for clip in clips], np.int64),
        np.array([clip["danced"] for clip in clips], np.int64),
        found,
    )


def to_plain(profiles: Profiles) -> dict[str, list]:
    """Return the arrays as lists, for a checkpoint; see `from_plain`."""
    return {f.name: getattr(profiles, f.name).tolist() for f in fields(Profiles) if f.name != "names"}


def from_plain(names: tuple[str, ...], lists: dict[str, list]) -> Profiles:
    """Return the profiles that `to_plain` made lists of; raise a UserError if they are not such lists."""
    found = checkpoint.arrays("profiles", lists)
    if found["style"].max(initial=0) > len(names):
        raise UserError(f"the profiles are of more than the {len(names)} styles")
    return Profiles(names, **found)


def choose(music: dict, profiles: Profiles, style: str | None = None) -> Choice:
    """Choose a style for a song, and whether to count its beats in half or double time.

    Takes a ``music`` file, or `features.features`. A ``style`` that is among the names is kept, and only the octave is
    chosen. A style that was danced in another metre, or that would be stretched beyond 0.8-1.25, is chosen only if no
    other is left.
    """
    given = style_index(style, profiles.names)
    candidates = [given] if given else np.unique(profiles.style).tolist()
    song = None if given else character.character(music)
    ranked = []
    for index in candidates:
        rows = profiles.style == index
        in_metre = rows & (profiles.beats_per_bar == music["beats_per_bar"])
        rows = in_metre if in_metre.any() else rows
        fit = 0.0 if given else _character_likelihood(song, profiles.character[rows])
        for octave in (0, -1, 1):
            distances = np.log(music["tempo"] * 2.0**octave / profiles.tempo[rows])
            stretch = float(np.exp(distances[np.abs(distances).argmin()])) if len(distances) else np.nan
            likelihood = fit + _tempo_likelihood(distances, np.maximum(profiles.danced[rows], 1), octave)
            ranked.append((bool(in_metre.any()), SLOWEST <= stretch <= FASTEST, likelihood, index, octave, stretch))
    ranked.sort(key=lambda found: found[:3], reverse=True)  # stable: equal ones stay in order
    same_metre, *_, index, octave, stretch = ranked[0]
    others = [_name(profiles, found[3]) for found in ranked if found[3] != index and found[0] == same_metre]
    counted = beat_grid.at_tempo(music, music["tempo"] * 2.0**octave)
    return Choice(counted, index, _name(profiles, index), octave, stretch, same_metre, others[0] if others else None)


def table(profiles: Profiles) -> str:
    """Return a table of the styles: beats in a bar, lowest and highest tempo, and number of dances with music."""
    lines = [f"{'style':16} beats a bar  beats a minute  dances"]
    for index in sorted({*profiles.style.tolist(), *range(1, len(profiles.names) + 1)}):
        rows = profiles.style == index
        metres = " or ".join(str(metre) for metre in np.unique(profiles.beats_per_bar[rows]))
        tempi = f"{profiles.tempo[rows].min():.0f}-{profiles.tempo[rows].max():.0f}" if rows.any() else ""
        lines.append(f"{_name(profiles, index) or 'unknown':16} {metres:>11}  {tempi:>14}  {rows.sum():>6}")
    return "\n".join(lines)


def _name(profiles: Profiles, index: int) -> str | None:
    """Return the name of a style, or None for 0."""
    return profiles.names[index - 1] if index else None


def _tempo_likelihood(distances: np.ndarray, danced: np.ndarray, octave: int) -> float:
    """Return the log-likelihood of a tempo, plus the logarithm of the prior.

    It is a kernel density estimate from the distances (N,) of the song's log-tempo to those of the clips, weighted by
    the beats (N,) that were danced. A constant factor is left out.
    """
    if not len(distances):
        return -np.inf
    weights = danced / np.sqrt(danced.sum()) * (OTHER_OCTAVE if octave else 1.0)
    return float(logsumexp(-((distances / TEMPO_DEVIATION) ** 2) / 2, b=weights))


def _character_likelihood(song: np.ndarray, known: np.ndarray) -> float:
    """Return the log-likelihood of a song's character (4,), given those of the songs (N, 4) of a style.

    The mean of a style is normally distributed around that of music in general, and its songs around their mean; the
    likelihood is the posterior predictive (Gelman et al., "Bayesian Data Analysis", 3rd edition, section 2.5).
    """
    known = known[np.isfinite(known).all(axis=1)]
    between = GENERAL_DEVIATION**2 - STYLE_DEVIATION**2
    variance = 1 / (1 / between + len(known) / STYLE_DEVIATION**2)  # of the style's mean
    mean = variance * (GENERAL_MEAN / between + known.sum(axis=0) / STYLE_DEVIATION**2)
    variance = variance + STYLE_DEVIATION**2
    return float(np.sum(-((song - mean) ** 2) / variance - np.log(2 * np.pi * variance)) / 2)
