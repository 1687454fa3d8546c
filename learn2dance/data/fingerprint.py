"""Recognise the same sound in ``music`` files, however it was encoded, by how its frequency bands fluctuate.

Without decoding: reading a file takes 10 ms, and comparing two of three minutes 1 ms. Among the songs of 35 ballroom
dances, different ones correlate by up to 0.58. A song correlates with its own mp3 at 48 kbit/s, with 40 s of itself and
with a recording that has echo and no bass by 0.80 or more; at another speed (1%) it is not recognised.

Of many songs, only those that `candidates` finds are compared, so that the time is nearly proportional to their number.
"""

from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.fft import irfft, next_fast_len, rfft
from scipy.ndimage import uniform_filter1d

SAME = 0.75  # correlation above which two sounds are the same
OVERLAP = 100  # frames, 10 s, that both must have in common, or all of a shorter one
BANDS, LIMIT = 7, 112  # bands, of the first so many mel bands: codecs cut off the rest
PER_FRAME = 3  # frames of the file for each of the fingerprint: 10 per second
SPAN = 20  # frames, 2 s: slower changes, as of loudness, are removed
# Of `candidates`: frames of a passage, hash tables, passages of a bucket that each is compared with, and how many
# passages of two sounds must have the same hash, at shifts within as many frames. Of 604 pairs that correlate by more
# than `SAME`, among 271 versions of 46 songs, all are found, and 602 with hashes as long as for 10,000 songs.
PASSAGE, TABLES, NEIGHBOURS, VOTES, SHIFTS = 12, 16, 2, 3, 2


def fingerprint(music: dict) -> np.ndarray:
    """Return the fluctuations (T, `BANDS`) of a ``music`` file's bands, at 10 frames per second."""
    from scipy.signal import decimate  # takes 1 s

    bands = music["mel"][:, :LIMIT].astype(np.float64).reshape(len(music["mel"]), BANDS, -1).mean(2)
    bands = decimate(bands, PER_FRAME, ftype="fir", axis=0)
    bands = bands - uniform_filter1d(bands, SPAN, axis=0, mode="nearest")
    return bands / (bands.std(0) + 1e-9)


def candidates(prints: dict[str, np.ndarray]) -> Iterator[tuple[str, str]]:
    """Yield the pairs of names whose fingerprints (T, `BANDS`) have `VOTES` similar passages at the same shift.

    Passages of `PASSAGE` frames are similar if they are on the same side of random hyperplanes (locality-sensitive
    hashing: Charikar, STOC 2002). The more frames there are, the more hyperplanes are drawn, so that few different
    passages have the same hash. Sounds shorter than a passage are in no pair.
    """
    names = sorted(name for name, bands in prints.items() if len(bands) >= PASSAGE)
    if not names:
        return
    counts = [len(prints[name]) - PASSAGE + 1 for name in names]
    song, frame = np.repeat(np.arange(len(names)), counts), np.concatenate([*map(np.arange, counts)])
    shifts = 2 * max(counts) // SHIFTS + 1
    bits = int(np.ceil(np.log2(len(song)))) + 2
    rng, votes = np.random.default_rng(0), []
    for _ in range(TABLES):
        planes = rng.standard_normal((BANDS * PASSAGE, bits), np.float32)
        order = rng.permutation(len(song))  # of a bucket with many passages, each is compared with a few at random
        hashes = np.concatenate([_hashes(prints[name], planes) for name in names])[order]
        by_hash = np.argsort(hashes, kind="stable")
        hashes, order = hashes[by_hash], order[by_hash]
        for step in range(1, NEIGHBOURS + 1):
            one, other = np.sort([order[:-step], order[step:]], axis=0)[:, hashes[:-step] == hashes[step:]]
            one, other = (part[song[one] != song[other]] for part in (one, other))
            shift = (frame[other] - frame[one] + max(counts)) // SHIFTS
            votes.append((song[one] * len(names) + song[other]) * shifts + shift)
    found = np.concatenate(votes)
    found.sort()
    for pair in np.unique(found[VOTES - 1 :][found[VOTES - 1 :] == found[: 1 - VOTES]] // shifts):
        yield names[pair // len(names)], names[pair % len(names)]


def _hashes(bands: np.ndarray, planes: np.ndarray) -> np.ndarray:
    """Return for each passage of a fingerprint (T, `BANDS`) its sides of the planes (D, bits) as int64 bits."""
    passages = sliding_window_view(bands.astype(np.float32), PASSAGE, axis=0).reshape(-1, len(planes))
    return (passages @ planes > 0) @ (1 << np.arange(planes.shape[1]))


def same(one: np.ndarray, other: np.ndarray) -> bool:
    """Tell whether two fingerprints (T, `BANDS`) correlate by more than `SAME` at any shift."""
    a, b = len(one), len(other)
    size = next_fast_len(a + b, real=True)
    first, second = (rfft(bands.astype(np.float32), size, axis=0) for bands in (one, other))
    lags = np.arange(1 - b, a)
    start, end = np.maximum(lags, 0), np.minimum(a, b + lags)  # of the part in common, in the first
    products = irfft((first * second.conj()).sum(1), size)[lags]
    own, theirs = (np.concatenate([[0], np.cumsum((bands**2).sum(1))]) for bands in (one, other))
    energies = (own[end] - own[start]) * (theirs[end - lags] - theirs[start - lags])
    enough = end - start >= min(OVERLAP, a, b)
    return bool((products > SAME * np.sqrt(energies))[enough].any())
