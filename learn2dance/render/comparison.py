"""Write a page on which people compare dances in pairs, without knowing which is which.

As in the user studies of Bailando (Siyao et al., CVPR 2022) and EDGE (Tseng et al., CVPR 2023), raters watch two dances
to the same music side by side and choose one. There are two questions: which looks more like a person dancing, and
which fits the music better. The control for the second follows the GENEA challenge (Kucherenko et al., ICMI 2023): a
dance is compared with a mismatched excerpt of itself. Both look equally human, so only the fit to the music differs.
How often raters prefer the matched one tells how well they can judge it; by chance it is half of the time.
"""

import base64
import hashlib
import json
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from learn2dance.errors import UserError
from learn2dance.media import audio_writer
from learn2dance.render import player, viewport

LENGTH = 12.0  # seconds of an excerpt, or a third of the dance if that is shorter
EXCERPTS = 4  # trials for each pair of dances
CONTROLS = 2  # trials for each dance
SHORTEST = 6.0  # seconds of the shortest dance


def write(
    out: str | Path,
    dances: Sequence[np.ndarray],
    fps: float,
    names: Sequence[str],
    audio: str | Path,
    beats: Sequence[np.ndarray | None],
    seed: int,
    y_up: bool = False,
    start: float = 0.0,
) -> int:
    """Write two or more dances to one song as a page (.html); return the number of trials.

    The dances (T, J, 2) are in any unit, x right, y up or down, and ``beats`` their beats in seconds after their first
    frame, or None. The order, the sides and the mismatched excerpts follow from the ``seed``; ``start`` is the second
    of the song at which the dances begin. The ``names`` are on the page in base64 alone, and the page writes them so
    into the answers, for `evaluation.preference`.

    Raises a UserError if the dances are too short, or ffmpeg cannot read the song.
    """
    count = min(map(len, dances))
    if count / fps < SHORTEST:
        raise UserError(f"{out}: the shortest dance has {count / fps:.1f} s, expected at least {SHORTEST:g} s")
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(dances)).tolist()  # so that the page's numbers of dances tell nothing
    packed = [player.pack(viewport.upright(dances[i][:count], y_up), fps) for i in order]
    for about, _ in packed:
        about |= player.NO_MARKS
    header = {
        "duration": count / fps,
        "constants": {},
        "names": [base64.b64encode(names[i].encode(errors="replace")).decode() for i in order],
        "length": min(LENGTH, count / fps / 3),
    }
    header["trials"] = trials(header["duration"], header["length"], [beats[i] for i in order], rng)
    content = json.dumps(header).encode() + b"".join(poses for _, poses in packed)
    header["study"] = hashlib.sha256(content).hexdigest()[:8]
    song = audio_writer.m4a(audio, start, header["duration"])
    player.write_page(out, "Compare dances", "comparison", ["comparison"], header, packed, song)
    return len(header["trials"])


def trials(duration: float, length: float, beats: Sequence[np.ndarray | None], rng: np.random.Generator) -> list[dict]:
    """Return the trials of a comparison in the order in which they are shown.

    Each has the ``start`` of its excerpt (seconds), and for the sides A and B the index of the ``dances`` and by how
    many seconds each is ``shifted``: 0 if it is matched with the music. Each pair of dances is compared on `EXCERPTS`
    excerpts that are spread over the song, with each dance on either side equally often.
    """
    starts, found = np.linspace(0, duration - length, EXCERPTS), []
    for pair in combinations(range(len(beats)), 2):
        for first, flip in zip(starts, rng.permutation(np.arange(EXCERPTS) % 2), strict=True):
            found.append({"start": float(first), "dances": list(pair)[:: -1 if flip else 1], "shifted": [0.0, 0.0]})
    for dance, times in enumerate(beats):
        chosen = rng.choice(starts, CONTROLS, replace=False)
        for first, flip in zip(chosen, rng.permutation(np.arange(CONTROLS) % 2), strict=True):
            sides = [0.0, _mismatch(first, duration, length, times, rng)]
            found.append({"start": float(first), "dances": [dance, dance], "shifted": sides[:: -1 if flip else 1]})
    return [found[i] for i in rng.permutation(len(found))]


def _mismatch(
    start: float, duration: float, length: float, beats: np.ndarray | None, rng: np.random.Generator
) -> float:
    """Draw by how many seconds an excerpt of a dance is shifted to mismatch it: at least half of its length.

    The shift is an odd number of half beats, so that the dance's beats fall between those of the music; any, if the
    beats are not known.
    """
    beat = float(np.median(np.diff(beats))) if beats is not None and len(beats) > 1 else 0.05
    shifts = beat * (np.arange(-np.ceil(duration / beat), np.ceil(duration / beat)) + 0.5)
    inside = (start + shifts >= 0) & (start + shifts <= duration - length)
    return float(rng.choice(shifts[inside & (np.abs(shifts) >= length / 2)]))
