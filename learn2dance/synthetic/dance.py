"""Toy choreography: figures chained by a grammar, converted to steps, arm positions and torso poses of a dancer.

Time is in beats; beat 0 starts a bar.
"""

from dataclasses import dataclass

import numpy as np

from learn2dance.synthetic.body import LEFT, RIGHT, Body, grow
from learn2dance.synthetic.style import ARMS, Style

STEP = np.dtype(  # one step; metres and radians in world axes
    [
        ("beat", float),
        ("foot", int),  # LEFT or RIGHT
        ("place", float, 2),  # x, z of the toes
        ("heading", float),  # of the body
        ("weight", float),  # fraction of the body's weight that the foot takes
        ("height", float),  # of the toes, above 0 in a kick
    ]
)
ARM_KEY = np.dtype([("beat", float), ("angles", float, 8)])  # left then right, see body.joints
TORSO_KEY = np.dtype([("beat", float), ("pose", float, 4)])  # bend, lean, twist (radians), lowering of the hips (m)
_STRIDE = 0.64  # maximum step, as a fraction of the leg length


@dataclass(frozen=True)
class Dancer:
    """The individual traits of a toy dancer."""

    body: Body
    stride: float  # factor on the style's step length
    reach: float  # factor on how high the arms are raised
    energy: float  # factor on bounce, hip motion and sway
    late: float  # seconds: mean delay of steps after the beat
    loose: float  # seconds: standard deviation of step times
    left_handed: bool  # whether all is mirrored


def cast(rng: np.random.Generator) -> Dancer:
    """Draw a dancer."""
    stride, reach, energy = rng.normal(1, (0.06, 0.06, 0.14)).clip((0.85, 0.85, 0.7), (1.12, 1.15, 1.3))
    late, loose = rng.normal(0, 0.010), rng.uniform(0.003, 0.009)
    return Dancer(grow(rng), stride, reach, energy, late, loose, left_handed=rng.random() < 0.4)


def choreograph(style: Style, energies: np.ndarray, rng: np.random.Generator) -> list[str]:
    """Choose figures by the style's grammar, preferably those that fit the music's energy, until all bars are filled.

    Parameters
    ----------
    style : Style
    energies : np.ndarray [shape=(bars,)]
        Energy of the music in each bar: 0 calm, 1 full.
    rng : np.random.Generator

    Returns
    -------
    list of str
        The name of each bar, a key of ``style.bars``.
    """
    names = sorted(style.figures)
    figure, bars = names[rng.integers(len(names))], []
    while len(bars) < len(energies):
        after = style.figures[figure][2]
        fits = np.array([1.0 if style.figures[name][0] == energies[len(bars)] else 0.15 for name in after])
        figure = after[rng.choice(len(after), p=fits / fits.sum())]
        bars += style.figures[figure][1]
    return bars[: len(energies)]


def write_down(
    style: Style, bars: list[str], dancer: Dancer, beat: float, first: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Convert bars to this dancer's steps, with the dancer's stride, side and timing, and small random errors.

    Parameters
    ----------
    style : Style
    bars : list of str
        See `choreograph`.
    dancer : Dancer
    beat : float
        Seconds per beat.
    first : int
        The beat on which the first bar starts.
    rng : np.random.Generator

    Returns
    -------
    steps : np.ndarray [dtype=STEP]
        In order of time; two steps that place the feet come before the first bar.
    arms : np.ndarray [dtype=ARM_KEY]
    torso : np.ndarray [dtype=TORSO_KEY]
    """
    scale = dancer.stride * dancer.body.height / 1.7
    place, heading, free = np.zeros(2), 0.0, RIGHT if dancer.left_handed else LEFT
    before = first - style.beats_per_bar
    # The standing foot is placed last.
    steps = [(before + i / 2, f, ((0.1, -0.1)[f] * scale, 0), 0, 1, 0) for i, f in enumerate((free, 1 - free))]
    stands = {foot: np.array(where) for _, foot, where, *_ in steps}
    arms, torso = [], []

    def on_time(at: float, late: float = dancer.late) -> float:
        return opens + at + (late + rng.normal(0, dancer.loose)) / beat

    for number, name in enumerate(bars):
        bar, opens = style.bars[name], first + number * style.beats_per_bar
        sign = 1 if free == LEFT else -1  # as written, or mirrored
        turned = np.array([[np.cos(heading), np.sin(heading)], [-np.sin(heading), np.cos(heading)]])
        for at, side, x, z, turn, weight, height in bar.steps:
            foot = LEFT if (side == "L") == (sign == 1) else RIGHT
            target = place + scale * (turned @ (sign * x, z)) + rng.normal(0, 0.008, 2)
            away = target - stands[1 - foot]
            short = away * min(0, _STRIDE * dancer.body.leg / np.hypot(*away) - 1)
            stands[foot], place = target + short, place + short  # later steps move too: same figure
            steps.append((on_time(at), foot, stands[foot], heading + sign * np.radians(turn), weight, height * scale))
            free = 1 - foot if weight > 0.5 else free
        for at, *names in bar.arms:
            swap = dancer.left_handed if style.hold.issuperset(names) else sign < 0
            pair = np.radians([ARMS[n] for n in (names[::-1] if swap else names)])
            arms.append((on_time(at, dancer.late + 0.01), pair.ravel() + rng.normal(0, 0.04, 8)))
        for at, bend, lean, twist, sink in bar.torso:
            torso.append((on_time(at), (*np.radians((bend, sign * lean, sign * twist)), sink * scale)))
        x, z, turn = bar.to
        place = 0.8 * (place + scale * (turned @ (sign * x, z)))  # closer to the middle of the floor
        heading += sign * np.radians(turn)
    return np.array(steps, STEP), np.array(arms, ARM_KEY), np.array(torso, TORSO_KEY)
