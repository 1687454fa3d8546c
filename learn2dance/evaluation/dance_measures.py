"""Measures of single dances, averaged over the clips of a song, which differ in who danced, but not in music."""

import numpy as np

from learn2dance.evaluation import bootstrap, set_measures
from learn2dance.evaluation.set_measures import Reference
from learn2dance.metrics import beat, distribution, energy, form
from learn2dance.metrics import travel as travel_metrics

BODY = {"jerk": distribution.jerk, "top_speed": distribution.top_speed, "frozen": distribution.frozen}
FLOOR = {name: getattr(travel_metrics, name) for name in ("travel_speed", "travel_range", "foot_slide")}
OTHERS = 100  # songs that a dance's own is compared with
# Functions of root-centred `kinematics.low_pass` motion (T, 15, 2) from the song's start, and the song's `music` arrays
# with its ``energy`` (`music.energy.beat_energy`) and ``form`` (`music.form.find`), that return measures by name.
MUSICAL = [
    lambda motion, music: beat.beat_scores(motion, music["beats"]),
    lambda motion, music: beat.locking(motion, music["beats"], music["beats_per_bar"]),
    lambda motion, music: energy.energy_correlation([energy.bar_energies(motion, music, music["energy"])]),
    lambda motion, music: form.form_distances(motion, music["beats"], **music["form"]),
]


def measure(
    row: list[dict],
    reference: Reference,
    train: list[dict],
    classifier,
    limbs: np.ndarray,
    music: dict,
    styles: dict,
    songs: dict,
) -> dict[str, np.ndarray]:
    """Measure each dance of a row: measure -> values (S seeds, N songs), NaN where a song has none.

    ``row`` is one dict for each seed: clip -> `scoring.describe`, with scaled features; ``train`` holds the same of the
    real training dances. ``classifier`` is a `distribution.style_classifier` or None. ``limbs`` (14,) are the lengths
    of real dancers' limbs. ``music``, ``styles`` and ``songs`` (names) are by clip; clips that the row does not have
    serve for song specificity, at most `OTHERS` for each. The order of the N songs is that of
    `set_measures.clips_by_song`.
    """
    metres = {clip: (song["beats"], song["beats_per_bar"]) for clip, song in music.items()}

    def one(clip: str, dance: dict) -> dict[str, float]:
        motion, found = dance["motion"], {}
        for function in MUSICAL:
            found |= function(motion, music[clip])
        others = [c for c in metres if songs[c] != songs[clip] and styles.get(c) == styles.get(clip)]
        others = others[:: -(-len(others) // OTHERS) or 1]
        found["song_specificity"] = beat.song_specificity(motion, metres[clip], [metres[c] for c in others])
        found |= {name: function(motion) for name, function in BODY.items()}
        found |= {name: function(dance["placed"]) for name, function in FLOOR.items()}
        if np.isfinite(motion).any():
            found["limb_ratio"] = np.exp(np.abs(np.log(distribution.limb_lengths(motion) / limbs)).max())
        if classifier:
            known = clip in styles and len(dance["windows"])
            found["style"] = np.mean(classifier.predict(dance["windows"]) == styles[clip]) if known else np.nan
        return found

    every = [[one(clip, dance) for clip, dance in dances.items()] for dances in row]
    names = list(dict.fromkeys(name for dances in every for found in dances for name in found))
    values = {name: np.array([[f.get(name, np.nan) for f in dances] for dances in every], float) for name in names}
    for name, key in (("nearest_training_distance", "on_beats"), ("copy_distance_8", "phrases")):
        values[name] = _nearest(row, np.concatenate([dance[key] for dance in train]), key)
    for key in ("kinetic", "geometric"):
        of_clips = [distribution.multimodality([dances[clip][key] for dances in row]) for clip in row[0]]
        values[f"multimodality_{key[0]}"] = np.tile(of_clips, (len(row), 1))  # of all seeds
    members = [[list(row[0]).index(clip) for clip in part] for part in set_measures.clips_by_song(row, songs).values()]
    values = {
        name: np.stack([bootstrap.known_mean(part[:, clips]) for clips in members], axis=1)
        for name, part in values.items()
    }
    for key in ("poses", "windows"):
        values[f"precision_{key}"] = set_measures.precision(row, reference, key, songs)
    return values


def _nearest(row: list[dict], train: np.ndarray, key: str) -> np.ndarray:
    """Return the mean over each dance's windows of the distance to the nearest training window: (S, clips)."""
    windows = [dance[key] for dances in row for dance in dances.values()]
    found = np.full(len(windows), np.nan)
    if len(train) and sum(map(len, windows)):
        nearest = distribution.nearest_training_distance(np.concatenate(windows), train)
        parts = np.split(nearest, np.cumsum([len(part) for part in windows])[:-1])
        found = np.array([bootstrap.known_mean(part, 0) for part in parts])
    return found.reshape(len(row), -1)
