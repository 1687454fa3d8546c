"""All measures of all rows of the report, with 95% intervals.

Measures of one dance (`dance_measures`) are averaged over songs, and over each song and each style. Measures of a set
of windows (`set_measures`) need the windows of several songs, so songs and styles have none.
"""

from functools import partial

import numpy as np
from scipy.stats import binomtest

from learn2dance.cli import progress
from learn2dance.evaluation import bootstrap, dance_measures, set_measures
from learn2dance.metrics import distribution, motion_features
from learn2dance.motion import kinematics, skeleton, travel, windows
from learn2dance.tokens.codebook import Codebook

SPARSE = 10  # frames between poses that are compared: 0.4 s at `kinematics.METRIC_FPS`
PHRASE, PER_BEAT = 8, 4  # beats in a window that is looked for in the training set, and frames per beat
HOP = 3 * PER_BEAT  # frames between those of scored dances; every position within 8 beats comes up equally often
RATIOS = {"jerk_ratio": "jerk", "top_speed_ratio": "top_speed", "copy_8": "copy_distance_8"}  # to the real dances'
MISMATCHED = "mismatched song"  # name of the row of dances that the model makes for another song


def describe(poses: np.ndarray, fps: float, beats: np.ndarray, codebook: Codebook, hop: int = HOP) -> dict:
    """Compute the inputs of the measures: low-passed motion, features, single poses, and windows on the song's beats.

    ``poses`` (T, 15, 2) have the dancer's path. Returns ``motion`` (T, 15, 2), root-centred, and ``placed`` (T, 15, 2),
    with the path; ``kinetic`` (W, 42), ``geometric`` (W, 24), ``poses`` (P, 28), ``on_beats`` (V, F), the
    windows on beats, ``phrases`` (U, 960), windows of `PHRASE` beats with `PER_BEAT` frames per beat, ``hop`` frames
    apart; and ``times``: key -> start times (W,) of windows, or times (P,) of poses, in seconds.
    """
    placed = kinematics.low_pass(poses, fps)
    poses = travel.rooted(poses)
    motion = kinematics.low_pass(poses, fps)
    cut, starts = motion_features.cut(motion)
    frames = np.arange(0, len(motion), SPARSE)
    frames = frames[np.isfinite(motion[frames]).all((1, 2))]
    on_beats, known, _ = windows.cut(poses, fps, beats, codebook.frames_per_beat, codebook.window_beats)
    quarters = np.interp(np.arange((len(beats) - 1) * PER_BEAT + 1) / PER_BEAT, np.arange(len(beats)), beats)
    phrases, complete, _ = windows.cut(poses, fps, quarters, 1, PHRASE * PER_BEAT)
    times = dict.fromkeys(("kinetic", "geometric", "windows"), starts) | {"poses": frames / kinematics.METRIC_FPS}
    return {
        "motion": motion,
        "placed": placed,
        "kinetic": motion_features.kinetic(cut),
        "geometric": motion_features.geometric(cut),
        "poses": motion[frames][:, skeleton.MOVING].reshape(len(frames), -1),
        "on_beats": on_beats[known],
        "phrases": phrases[::hop][complete[::hop]],
        "times": times,
    }


def scale(described: list[dict], reference: list[dict]) -> None:
    """Standardise the features in place by the reference's mean and deviation; add ``windows``, both concatenated."""
    for key in ("kinetic", "geometric"):
        mean, deviation = distribution.scale(np.concatenate([dance[key] for dance in reference]))
        for dance in described:
            dance[key] = (dance[key] - mean) / deviation
    for dance in described:
        dance["windows"] = np.concatenate([dance["kinetic"], dance["geometric"]], axis=1)


def score(rows: dict, reference: dict, train: list[dict], music: dict, styles: dict, songs: dict, seed: int) -> dict:
    """Compute all measures of all rows; each is [value, low, high] with a 95% interval.

    ``rows``: name -> one dict per seed: clip -> output of `describe`; one row is ``"real"``; all have the same clips.
    ``reference``: clip -> `describe` of its real dance, for all clips that no model was trained on. ``train``:
    `describe` of each real training dance, with its ``style``, which may be empty. ``music``, ``styles`` and ``songs``
    (names of songs, which several clips may share) are by clip. ``seed`` is that of the divisions and the bootstrap,
    which are the same for all rows.

    Returns name -> measure -> values, with the numbers of ``songs``, ``seeds``, ``dances`` and ``windows``, and the
    same for each song in ``by_song`` and each style in ``by_style``, without `set_measures.SETS`. low and high are NaN
    where there is only one value, or all are the same. If there is a row `MISMATCHED`, the row ``"model"`` also has
    ``own_minus_mismatched``, the difference of their bar locking, paired by song and seed, and
    ``own_minus_mismatched_p`` (`sign_test`).
    """
    every = [dance for row in rows.values() for dances in row for dance in dances.values()]
    scale([*every, *reference.values(), *train], list(reference.values()))
    divided = set_measures.Reference(reference, seed)
    classifier, real = None, rows["real"]
    limbs = np.nanmean([distribution.limb_lengths(dance["motion"]) for dance in real[0].values()], axis=0)
    with_style = [dance for dance in train if dance["style"]]
    if len({dance["style"] for dance in with_style}) > 1 and any(clip in styles for clip in real[0]):
        names = np.concatenate([[dance["style"]] * len(dance["windows"]) for dance in with_style])
        classifier = distribution.style_classifier(np.concatenate([d["windows"] for d in with_style]), names)
    found, values = {}, {}
    clips = set_measures.clips_by_song(real, songs)
    groups: dict[str, list[str]] = {}  # songs of each style
    for song, part in clips.items():
        groups.setdefault(styles.get(part[0], ""), []).append(song)
    for name, row in progress(rows.items(), "rows", len(rows)):
        values[name] = dance_measures.measure(row, divided, train, classifier, limbs, music, styles, songs)
        if name == "model" and MISMATCHED in values:
            difference = values[name]["bar_locking"] - values[MISMATCHED]["bar_locking"]
            values[name]["own_minus_mismatched"] = difference
        summary = partial(_summary, row, clips, values[name], real=values["real"], seed=seed)
        found[name] = summary(list(clips)) | set_measures.measure(row, divided, songs, seed)
        found[name]["by_song"] = {song: summary([song]) for song in clips}
        found[name]["by_style"] = {style: summary(part) for style, part in groups.items() if style}
        if "own_minus_mismatched" in values[name]:
            found[name]["own_minus_mismatched_p"] = sign_test(bootstrap.known_mean(difference, 0))
    return found


def _summary(row: list[dict], clips: dict, values: dict, songs: list[str], real: dict, seed: int) -> dict:
    """Return the mean of each measure over these songs, with its interval, and how many dances there are.

    ``clips``: song -> its clips. ``values`` and ``real``, of the real dances: measure -> (S seeds, N songs).
    """
    index = [list(clips).index(song) for song in songs]

    def estimates(values: dict) -> dict[str, np.ndarray]:
        stacked = np.stack([part[:, index] for part in values.values()], axis=-1)
        return dict(zip(values, bootstrap.means(stacked, seed).T, strict=True))

    own, theirs = estimates(values), estimates({key: real[key] for key in RATIOS.values()})
    with np.errstate(divide="ignore", invalid="ignore"):
        own |= {name: own[key] / theirs[key] for name, key in RATIOS.items()}
    dances = [part[clip] for part in row for song in songs for clip in clips[song]]
    found = {"songs": len(songs), "seeds": len(row), "dances": len(dances)}
    found["windows"] = sum(len(dance["windows"]) for dance in dances)
    for name, drawn in own.items():
        value, low, high = bootstrap.interval(drawn)
        known = values[RATIOS.get(name, name)][:, index]
        differ = len(set(known[np.isfinite(known)])) > 1
        found[name] = [value, low, high] if differ else [value, np.nan, np.nan]
    return found


def sign_test(differences: np.ndarray) -> float:
    """Return the two-sided p of a sign test: that as many of these differences (N,) have one sign by chance.

    Zeros and NaN are left out; NaN if nothing else is left.
    """
    signs = np.sign(differences[np.isfinite(differences) & (differences != 0)])
    return binomtest(int((signs > 0).sum()), len(signs)).pvalue if len(signs) else np.nan
