"""Units: windows of the training dances with all their tokens, from which dances are assembled.

Tokens sampled from a network can combine into motion that never occurs. Therefore a dance consists of units, chosen as
in concatenative synthesis (Hunt and Black, ICASSP 1996). Units last two beats and start one beat apart, so two units
are cross-faded at any time.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np

from learn2dance.data.data_root import style_index
from learn2dance.motion import windows
from learn2dance.tokens.codebook import Codebook

SMALL = 200  # units: a style with fewer gets their mirror images too
MOST = 12000  # units: of more, about so many are kept, in runs of `RUN` beats (`_shares`)
RUN = 16  # beats


@dataclass(frozen=True)
class Units:
    """The N units of a train split; all but ``motion`` and ``tempo`` are int64."""

    motion: np.ndarray  # float32 (N, D): DCT coefficients of the real windows; their tokens lose a fifth of the jerk
    tokens: np.ndarray  # (N, C)
    bar: np.ndarray  # (N,): position in the bar of the first beat, see `beat_grid.bar_positions`
    style: np.ndarray  # (N,): index into the styles plus one; 0 if unknown
    tempo: np.ndarray  # float64 (N,): of the clip's music, beats per minute
    clip: np.ndarray  # (N,): index of the source clip
    beat: np.ndarray  # (N,): index of the window in it, one per beat


def collect(clips: dict[str, dict], styles: tuple[str, ...], load_motion: Callable[[str], np.ndarray]) -> Units:
    """Collect the valid windows of clips (`dataset.load`) as units.

    ``styles`` are all styles. ``load_motion(name)`` returns the DCT coefficients float32 (W, D) of a clip's windows.
    """
    shares, rng, rows = _shares(clips), np.random.default_rng(0), []
    for number, (name, clip) in enumerate(clips.items()):
        beats = np.flatnonzero(clip["known"])
        drawn = rng.random(-(-len(clip["known"]) // RUN)) < shares[clip["style"]]
        beats = beats[drawn[beats // RUN]]
        if not len(beats):
            continue  # without reading its motion
        style = style_index(clip["style"], styles)
        repeated = (value * np.ones(len(beats), np.int64) for value in (style, clip["tempo"], number))
        tokens = clip["tokens"][beats].astype(np.int64)
        rows.append((load_motion(name)[beats], tokens, clip["bar"][beats], *repeated, beats))
    return Units(*(np.concatenate(column) for column in zip(*rows, strict=True)))


def _shares(clips: dict[str, dict]) -> dict[str | None, float]:
    """Return for each style the share of its units that are kept, which are `MOST` in all.

    Styles with few units keep all of them. The others keep equal numbers, since a dance has units of one style.
    """
    counts: dict[str | None, int] = {}
    for clip in clips.values():
        counts[clip["style"]] = counts.get(clip["style"], 0) + int(clip["known"].sum())
    shares, left = {}, MOST
    for number, style in enumerate(sorted(counts, key=counts.get)):
        kept = min(counts[style], left // (len(counts) - number))
        shares[style], left = kept / max(counts[style], 1), left - kept
    return shares


def with_mirror_images(units: Units, codebook: Codebook) -> Units:
    """Add the mirror images of the units of styles that have fewer than `SMALL`; they are clips of their own.

    With many units, mirror images do more harm than good: in couple dances, each side of the body has its own part.
    """
    few = np.flatnonzero(np.bincount(units.style)[units.style] < SMALL)
    if not len(few):
        return units
    motion = windows.mirror(units.motion[few])  # mirrors DCT coefficients as it does frames
    added = Units(
        motion,
        codebook.encode(windows.from_dct(motion, codebook.frames)),
        *(getattr(units, name)[few] for name in ("bar", "style", "tempo")),
        units.clip[few] + units.clip.max(initial=0) + 1,
        units.beat[few],
    )
    pairs = ((getattr(units, field.name), getattr(added, field.name)) for field in fields(Units))
    return Units(*(np.concatenate(pair) for pair in pairs))
