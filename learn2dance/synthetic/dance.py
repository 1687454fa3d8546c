"""The toy choreographer: figures chained by a grammar, written down as steps, arms and leans of one dancer.

Time is counted in beats; beat 0 opens a bar.
"""

from dataclasses import dataclass

import numpy as np

from learn2dance.synthetic.body import LEFT, RIGHT, Body, grow
from learn2dance.synthetic.style import ARMS, Style

STEP = np.dtype(  # one step, metres and radians in the world
    [
        ("beat", float),
        ("foot", int),  # LEFT or RIGHT
        ("place", float, 2),  # x, z of the toes
        ("heading", float),  # of the body
        ("weight", float),  # share of the weight that goes onto the foot
        ("height", float),  # of the toes: above 0 in a kick
    ]
)
ARM_KEY = np.dtype([("beat", float), ("angles", float, 8)])  # left then right, see synthetic_body.joints
TORSO_KEY = np.dtype([("beat", float), ("pose", float, 4)])  # bend, lean, twist (radians), sinking (metres)
_STRIDE = 0.64  # of the legs' length: no step is longer


@dataclass(frozen=True)
class Dancer:
    """What makes a dancer different from the next one."""

    body: Body
    stride: float  # times the style's steps
    reach: float  # times the style's raise of the arms
    energy: float  # times the style's bounce, hips and sway
    late: float  # seconds after the beat
    loose: float  # seconds: standard deviation of the timing of a step
    left_handed: bool  # dances everything in mirror image


def cast(rng: np.random.Generator) -> Dancer:
    """Draw a dancer."""
    stride, reach, energy = rng.normal(1, (0.06, 0.06, 0.14)).clip((0.85, 0.85, 0.7), (1.12, 1.15, 1.3))
    late, loose = rng.normal(0, 0.010), rng.uniform(0.003, 0.009)
    return Dancer(grow(rng), stride, reach, energy, late, loose, left_handed=rng.random() < 0.4)


def choreograph(style: Style, energies: np.ndarray, rng: np.random.Generator) -> list[str]:
    """Choose figures by the style's grammar, mostly such as fit the music's energy, until all bars are danced.

    Parameters
    ----------
    style : Style
    energies : np.ndarray [shape=(bars,)]
        Energy of the music in each bar: 0 calm, 1 full.
    rng : np.random.Generator

    Returns
    -------
    list of str
        The name of each bar's steps, a key of ``style.bars``.
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
    """Write the bars down as this dancer places them: stride, side, lateness and small misses.

    Parameters
    ----------
    style : Style
    bars : list of str
        See `choreograph`.
    dancer : Dancer
    beat : float
        Seconds from beat to beat.
    first : int
        The beat on which the first bar opens.
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
    # The foot that stands is placed last.
    steps = [(before + i / 2, f, ((0.1, -0.1)[f] * scale, 0), 0, 1, 0) for i, f in enumerate((free, 1 - free))]
    stands = {foot: np.array(where) for _, foot, where, *_ in steps}
    arms, torso = [], []

    def on_time(at: float, late: float = dancer.late) -> float:
        return opens + at + (late + rng.normal(0, dancer.loose)) / beat

    for number, name in enumerate(bars):
        bar, opens = style.bars[name], first + number * style.beats_per_bar
        sign = 1 if free == LEFT else -1  # danced as written, or in mirror image
        turned = np.array([[np.cos(heading), np.sin(heading)], [-np.sin(heading), np.cos(heading)]])
        for at, side, x, z, turn, weight, height in bar.steps:
            foot = LEFT if (side == "L") == (sign == 1) else RIGHT
            target = place + scale * (turned @ (sign * x, z)) + rng.normal(0, 0.008, 2)
            away = target - stands[1 - foot]
            short = away * min(0, _STRIDE * dancer.body.leg / np.hypot(*away) - 1)
            stands[foot], place = target + short, place + short  # what follows moves along: the figure keeps its shape
            steps.append((on_time(at), foot, stands[foot], heading + sign * np.radians(turn), weight, height * scale))
            free = 1 - foot if weight > 0.5 else free
        for at, *names in bar.arms:
            swap = dancer.left_handed if style.hold.issuperset(names) else sign < 0
            pair = np.radians([ARMS[n] for n in (names[::-1] if swap else names)])
            arms.append((on_time(at, dancer.late + 0.01), pair.ravel() + rng.normal(0, 0.04, 8)))
        for at, bend, lean, twist, sink in bar.torso:
            torso.append((on_time(at), (*np.radians((bend, sign * lean, sign * twist)), sink * scale)))
        x, z, turn = bar.to
        place = 0.8 * (place + scale * (turned @ (sign * x, z)))  # drawn back to the middle of the floor
        heading += sign * np.radians(turn)
    return np.array(steps, STEP), np.array(arms, ARM_KEY), np.array(torso, TORSO_KEY)
