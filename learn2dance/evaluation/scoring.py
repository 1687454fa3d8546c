"""All measures of all rows of the report.

The reference of distances is the real dances of all songs in the val and test splits. Blocks of `BLOCK` seconds are
divided at random into two sides. A row's windows on one side are compared with the reference's on the other, and the
score is the mean over `DIVISIONS` such divisions; if a row has several seeds, each division uses the next one. All rows
have about as many windows as the real dances, whose own score is the floor: real against real, no frame on both sides.
"""

import numpy as np

from learn2dance.cli import progress
from learn2dance.metrics import beat, distribution, motion_features
from learn2dance.metrics import travel as travel_metrics
from learn2dance.motion import kinematics, skeleton, travel, windows
from learn2dance.tokens.codebook import Codebook

BLOCK = 20.0  # seconds per block
DIVISIONS = 20  # random divisions of the blocks into two sides
DRAWS = 100  # bootstrap samples
SPARSE = 10  # frames between poses that are compared: 0.4 s at `kinematics.METRIC_FPS`
BODY = {"jerk": distribution.jerk, "top_speed": distribution.top_speed, "frozen": distribution.frozen}
FLOOR = {name: getattr(travel_metrics, name) for name in ("travel_speed", "travel_range", "foot_slide")}


def describe(poses: np.ndarray, fps: float, beats: np.ndarray, codebook: Codebook) -> dict:
    """Compute the inputs of the measures: low-passed motion, features, single poses, and windows on the song's beats.

    ``poses`` (T, 15, 2) have the dancer's path. Returns ``motion`` (T, 15, 2), root-centred, and ``placed`` (T, 15, 2),
    with the path; ``kinetic`` (W, 42), ``geometric`` (W, 24), ``poses`` (P, 28), ``on_beats`` (V, F), the
    windows on beats, and ``times``: key -> start times (W,) of windows, or times (P,) of poses, in seconds.
    """
    placed = kinematics.low_pass(poses, fps)
    poses = travel.rooted(poses)
    motion = kinematics.low_pass(poses, fps)
    cut, starts = motion_features.cut(motion)
    frames = np.arange(0, len(motion), SPARSE)
    frames = frames[np.isfinite(motion[frames]).all((1, 2))]
    on_beats, known, _ = windows.cut(poses, fps, beats, codebook.frames_per_beat, codebook.window_beats)
    times = dict.fromkeys(("kinetic", "geometric", "windows"), starts) | {"poses": frames / kinematics.METRIC_FPS}
    return {
        "motion": motion,
        "placed": placed,
        "kinetic": motion_features.kinetic(cut),
        "geometric": motion_features.geometric(cut),
        "poses": motion[frames][:, skeleton.MOVING].reshape(len(frames), -1),
        "on_beats": on_beats[known],
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


def score(rows: dict, reference: dict, train: list[dict], music: dict, styles: dict, seed: int) -> dict:
    """Compute all measures of all rows; Fréchet distances are [distance, low, high] with a 95% interval.

    ``rows``: name -> one dict per seed: song -> output of `describe`; one row is ``"real"``; all have the same songs.
    ``reference``: song -> `describe` of its real dance, for all songs in the val and test splits. ``train``: `describe`
    of each real training dance, with its ``style``, which may be empty. ``music`` and ``styles`` are by song. ``seed``
    is that of the divisions and the bootstrap, which are the same for all rows. Returns name -> measure -> value.
    """
    every = [dance for row in rows.values() for dance in _dances(row)]
    scale([*every, *reference.values(), *train], list(reference.values()))
    divisions = [_divide(reference, np.random.default_rng([seed, 3, d])) for d in range(DIVISIONS)]
    theirs = {key: _sides([reference], divisions, key, False) for key in ("kinetic", "geometric", "poses", "windows")}
    train_windows = np.concatenate([dance["on_beats"] for dance in train])
    real, classifier = rows["real"], None
    real_limbs = distribution.limb_lengths(_all(real, "motion"))
    with_style = [dance for dance in train if dance["style"]]
    if len({dance["style"] for dance in with_style}) > 1 and any(clip in styles for clip in real[0]):
        names = np.concatenate([[dance["style"]] * len(dance["windows"]) for dance in with_style])
        classifier = distribution.style_classifier(np.concatenate([d["windows"] for d in with_style]), names)

    def one(row: list[dict]) -> dict:
        found = {"seeds": len(row), "windows": len(_all(row, "windows"))}
        for key in ("kinetic", "geometric"):
            found[f"FID_{key[0]}"] = _frechet(row, theirs[key], divisions, key, seed)
            found[f"diversity_{key[0]}"] = _known_mean([distribution.diversity(_all([d], key)) for d in row])
            songs = [distribution.multimodality([d[clip][key] for d in row]) for clip in real[0]]
            found[f"multimodality_{key[0]}"] = _known_mean(songs)
        for key in ("poses", "windows"):
            pairs = map(distribution.precision_recall, theirs[key], _sides(row, divisions, key, True))
            shares = [_known_mean(share) for share in zip(*pairs, strict=True)]
            found |= {f"precision_{key}": shares[0], f"recall_{key}": shares[1]}
        found |= _beat_scores(row, music, styles)
        if classifier:
            found |= _style_accuracy(row, classifier, styles)
        found |= {name: _mean(row, measure) for name, measure in BODY.items()}
        found |= {name: _mean(row, measure, "placed") for name, measure in FLOOR.items()}
        found |= {f"{name}_ratio": found[name] / _mean(real, BODY[name]) for name in ("jerk", "top_speed")}
        ratios = distribution.limb_lengths(_all(row, "motion")) / real_limbs
        found["limb_ratio"] = ratios[np.abs(np.log(ratios)).argmax()]
        nearest = distribution.nearest_training_distance(_all(row, "on_beats"), train_windows)
        found["nearest_training_distance"] = np.mean(nearest)
        return {key: np.round(value, 6).tolist() for key, value in found.items()}

    return {name: one(row) for name, row in progress(rows.items(), "rows", len(rows))}


def _dances(row: list[dict]) -> list[dict]:
    return [dance for dances in row for dance in dances.values()]


def _all(row: list[dict], key: str) -> np.ndarray:
    return np.concatenate([dance[key] for dance in _dances(row)])


def _mean(row: list[dict], measure, key: str = "motion") -> float:
    """Return the mean of a measure of motion over all dances of a row; NaN is ignored."""
    return _known_mean([measure(dance[key]) for dance in _dances(row)])


def _divide(reference: dict, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Divide the blocks of each song at random into two sides, as evenly as possible: song -> bool (blocks,)."""
    blocks = {clip: int(len(d["motion"]) / kinematics.METRIC_FPS // BLOCK) + 1 for clip, d in reference.items()}
    return {clip: rng.permutation(count) % 2 == rng.integers(2) for clip, count in blocks.items()}


def _side(dances: dict, division: dict, key: str, side: bool) -> dict[str, np.ndarray]:
    """Select the rows (N, D) of each song on one side of a division. Windows that span two blocks are left out.

    A dance is scored up to the last block of the real dance to the same song.
    """
    length = 0.0 if key == "poses" else motion_features.SECONDS
    kept = {}
    for clip, dance in dances.items():
        block, within = np.divmod(dance["times"][key], BLOCK)
        inside = (block < len(division[clip])) & (within <= BLOCK - length)
        block = np.minimum(block, len(division[clip]) - 1).astype(int)
        kept[clip] = dance[key][inside & (division[clip][block] == side)]
    return kept


def _sides(row: list[dict], divisions: list[dict], key: str, side: bool) -> list[np.ndarray]:
    """Return a row's samples (N, D) on one side of each division; the divisions take turns with the seeds."""
    chosen = (_side(row[d % len(row)], division, key, side) for d, division in enumerate(divisions))
    return [np.concatenate(list(kept.values())) for kept in chosen]


def _frechet(row: list[dict], theirs: list[np.ndarray], divisions: list[dict], key: str, seed: int) -> list[float]:
    """Return the Fréchet distance, and its 95% interval by a bootstrap over the songs of the row.

    Songs that are drawn twice make the distribution narrower and so bias the distance upwards. Therefore the interval
    is the spread of the draws about their mean, centred on the distance.
    """
    distance = _known_mean(list(map(distribution.frechet, _sides(row, divisions, key, True), theirs)))
    rng, drawn = np.random.default_rng([seed, 4]), []
    for draw in range(DRAWS):
        own = list(_side(row[draw % len(row)], divisions[draw % DIVISIONS], key, True).values())
        own = np.concatenate([own[i] for i in rng.integers(len(own), size=len(own))])
        drawn.append(distribution.frechet(own, theirs[draw % DIVISIONS]))
    known = np.isfinite(drawn).any()
    low, high = np.nanpercentile(drawn, [2.5, 97.5]) - _known_mean(drawn) if known else (np.nan, np.nan)
    return [distance, np.maximum(distance + low, 0), distance + high]


def _known_mean(values: list) -> float:
    """Return the mean of the finite values; NaN if there are none."""
    values = np.asarray(values, np.float64)
    return float(values[np.isfinite(values)].mean()) if np.isfinite(values).any() else np.nan


def _beat_scores(row: list[dict], music: dict, styles: dict) -> dict[str, float]:
    """Return means over dances of `beat.beat_scores`, `beat.locking` and song specificity."""
    found = []
    metres = {clip: (song["beats"], song["beats_per_bar"]) for clip, song in music.items()}
    for clip, dance in ((clip, dance) for dances in row for clip, dance in dances.items()):
        others = [metre for c, metre in metres.items() if c != clip and styles.get(c) == styles.get(clip)]
        scores = beat.beat_scores(dance["motion"], metres[clip][0])
        scores |= beat.locking(dance["motion"], *metres[clip])
        scores["song_specificity"] = beat.song_specificity(dance["motion"], metres[clip], others)
        found.append(scores)
    return {key: _known_mean([scores[key] for scores in found]) for key in found[0]}


def _style_accuracy(row: list[dict], classifier, styles: dict) -> dict[str, float]:
    """Return the fraction of windows classified as the song's style, overall and as a mean over styles."""
    dances = [(styles[c], d["windows"]) for part in row for c, d in part.items() if c in styles and len(d["windows"])]
    if not dances:
        return {"style": np.nan, "style_balanced": np.nan}
    truth = np.concatenate([[style] * len(windows) for style, windows in dances])
    right = truth == classifier.predict(np.concatenate([windows for _, windows in dances]))
    return {"style": right.mean(), "style_balanced": np.mean([right[truth == style].mean() for style in set(truth)])}
