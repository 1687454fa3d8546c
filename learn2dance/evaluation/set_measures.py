"""Measures of windows or poses as a set: Fréchet distance, diversity, and recall; and the precision of each song.

The reference is the real dances of the songs that no model was trained on. Blocks of `BLOCK` seconds are divided at
random into two sides. A row's windows on one side are compared with the reference's on the other, and the score is the
mean over `DIVISIONS` such divisions; if a row has several seeds, each division uses the next one. All rows have about
as many windows as the real dances, whose own score is the floor: real against real, no frame on both sides.
"""

from collections.abc import Callable

import numpy as np

from learn2dance.evaluation import bootstrap
from learn2dance.metrics import distribution, motion_features
from learn2dance.motion import kinematics

BLOCK = 20.0  # seconds per block
DIVISIONS = 20  # random divisions of the blocks into two sides


class Reference:
    """Samples of the reference on one side of each division, and how far each is from its neighbours.

    ``divisions``: song -> bool (blocks,), the side of each block, for each division. ``samples``: key -> (W, D) for
    each division. ``radii``: key -> `distribution.manifold_radii` (W,) of these; NaN if they are too few.
    """

    def __init__(self, dances: dict[str, dict], seed: int):
        """Divide the real dances, song -> `scoring.describe`, whose features are scaled."""
        self.divisions = [_divide(dances, np.random.default_rng([seed, 3, d])) for d in range(DIVISIONS)]
        self.samples, self.radii = {}, {}
        for key in ("kinetic", "geometric", "poses", "windows"):
            sides = (_side(dances, division, key, False) for division in self.divisions)
            self.samples[key] = [np.concatenate(list(side.values())) for side in sides]
        for key in ("poses", "windows"):
            self.radii[key] = [
                distribution.manifold_radii(part) if len(part) > distribution.NEIGHBOURS else np.full(len(part), np.nan)
                for part in self.samples[key]
            ]


def clips_by_song(row: list[dict], songs: dict[str, str]) -> dict[str, list[str]]:
    """Group the clips of a row by song; ``songs`` has the song of each clip."""
    found: dict[str, list[str]] = {}
    for clip in row[0]:
        found.setdefault(songs[clip], []).append(clip)
    return found


def precision(row: list[dict], reference: Reference, key: str, songs: dict[str, str]) -> np.ndarray:
    """Return the precision (`distribution.precision_recall`) of the dances to each song: (S seeds, N songs)."""
    found = [[] for _ in row]
    for d, own in enumerate(_sides(row, reference, key, songs)):
        samples, radii = reference.samples[key][d], reference.radii[key][d]
        inside = distribution.in_manifold(np.concatenate(own), samples, radii).any(1)
        parts = np.split(inside, np.cumsum([len(part) for part in own])[:-1])
        enough = len(samples) > distribution.NEIGHBOURS
        found[d % len(row)].append([part.mean() if len(part) and enough else np.nan for part in parts])
    nothing = np.full(len(clips_by_song(row, songs)), np.nan)  # for seeds beyond the number of divisions
    return np.array([bootstrap.known_mean(np.array(values), 0) if values else nothing for values in found])


def measure(row: list[dict], reference: Reference, songs: dict[str, str], seed: int) -> dict[str, list[float]]:
    """Compute the measures of a row's dances as sets: name -> [value, low, high], with `bootstrap.centred` intervals.

    ``row`` holds one dict for each seed: clip -> `scoring.describe`, with scaled features; ``songs`` the song of each
    clip.
    """
    found = {}
    for name, (key, estimate, most) in SETS.items():
        pairs = zip(_sides(row, reference, key, songs), reference.samples[key], strict=True)
        estimates, count = [estimate(own, theirs) for own, theirs in pairs], len(clips_by_song(row, songs))
        found[name] = bootstrap.centred(estimates, count, seed, most)
    return found


def _frechet(own: list[np.ndarray], theirs: np.ndarray) -> Callable[[np.ndarray], float]:
    return lambda songs: distribution.frechet(np.concatenate([own[s] for s in songs]), theirs)


def _diversity(own: list[np.ndarray], theirs: np.ndarray) -> Callable[[np.ndarray], float]:
    return lambda songs: distribution.diversity(np.concatenate([own[s] for s in songs]))


def _recall(own: list[np.ndarray], theirs: np.ndarray) -> Callable[[np.ndarray], float]:
    """Return the recall of drawn songs, with the radii of all: a song that is drawn twice would have smaller ones."""
    every = np.concatenate(own)
    if min(len(every), len(theirs)) <= distribution.NEIGHBOURS:
        return lambda songs: np.nan
    covered = distribution.in_manifold(theirs, every, distribution.manifold_radii(every))
    parts = np.split(covered, np.cumsum([len(part) for part in own])[:-1], axis=1)
    by_song = np.stack([part.any(1) for part in parts], axis=1)
    return lambda songs: by_song[:, songs].any(1).mean()


SETS = {  # measure -> key of the samples, estimate, and the most it can be
    "FID_k": ("kinetic", _frechet, np.inf),
    "FID_g": ("geometric", _frechet, np.inf),
    "diversity_k": ("kinetic", _diversity, np.inf),
    "diversity_g": ("geometric", _diversity, np.inf),
    "recall_poses": ("poses", _recall, 1),
    "recall_windows": ("windows", _recall, 1),
}


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


def _sides(row: list[dict], reference: Reference, key: str, songs: dict[str, str]) -> list[list[np.ndarray]]:
    """Return a row's samples (W, D) of each song on the other side of each division; seeds take turns."""
    sides = (_side(row[d % len(row)], division, key, True) for d, division in enumerate(reference.divisions))
    parts = clips_by_song(row, songs).values()
    return [[np.concatenate([side[clip] for clip in clips]) for clips in parts] for side in sides]
