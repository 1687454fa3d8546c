"""Toy choreography: figures chained by a grammar, converted to steps, arm positions and torso poses of a dancer.

Time is in beats; beat 0 starts a bar.
"""

from dataclasses import dataclass

import numpy as np

from learn2dance.synthetic.body import LEFT, RIGHT, Body, random_body
from learn2dance.synthetic.figures import ARMS, Bar, Style

STEP = np.dtype(  # one step; metres and radians in world axes
    [
        ("beat", float),
        ("foot", int),  # LEFT or RIGHT
        ("place", float, 2),  # x, z of the toes
        ("heading", float),  # of the body
        ("weight", bool),  # whether the foot takes the body's weight, or only touches
        ("height", float),  # of the toes, above 0 in a kick
    ]
)
ARM_KEY = np.dtype([("beat", float), ("angles", float, (2, 4))])  # left and right, see body.joints
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


def random_dancer(rng: np.random.Generator) -> Dancer:
    """Draw a dancer."""
    stride, reach, energy = rng.normal(1, (0.06, 0.06, 0.14)).clip((0.85, 0.85, 0.7), (1.12, 1.15, 1.3))
    late, loose = rng.normal(0, 0.010), rng.uniform(0.003, 0.009)
    return Dancer(random_body(rng), stride, reach, energy, late, loose, left_handed=rng.random() < 0.4)


def choreograph(
    style: Style, energies: np.ndarray, dancer: Dancer, beat: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw a dance for this energy of the music in each bar (0 calm, 1 full), two bars before beat 0 first.

    `beat` is in seconds per beat. Returns steps (`STEP`), arms (`ARM_KEY`) and torso (`TORSO_KEY`), each in order of
    time, with the dancer's stride, side and timing, and small random errors. Two steps before the first bar place the
    feet.
    """
    scale, length = dancer.stride * dancer.body.height / 1.7, style.beats_per_bar
    place, heading, free = np.zeros(2), 0.0, RIGHT if dancer.left_handed else LEFT
    # The standing foot is placed last.
    steps = [(-3 * length + i / 2, f, ((0.1, -0.1)[f] * scale, 0), 0, True, 0) for i, f in enumerate((free, 1 - free))]
    feet = {foot: np.array(where) for _, foot, where, *_ in steps}
    arms, torso = [], []

    def on_time(at: float, late: float = dancer.late) -> float:
        return start + at + (late + rng.normal(0, dancer.loose)) / beat

    for number, bar in enumerate(_choose_bars(style, energies, rng), start=-2):
        start = number * length
        sign = 1 if free == LEFT else -1  # as written, or mirrored
        turned = np.array([[np.cos(heading), np.sin(heading)], [-np.sin(heading), np.cos(heading)]])
        for at, side, x, z, turn, *touch in bar.steps:
            foot = LEFT if (side == "L") == (sign == 1) else RIGHT
            target = place + scale * (turned @ (sign * x, z)) + rng.normal(0, 0.008, 2)
            away = target - feet[1 - foot]
            shift = away * min(0, _STRIDE * dancer.body.leg / np.hypot(*away) - 1)
            feet[foot], place = target + shift, place + shift  # later steps of the bar are moved by the same amount
            height = touch[0] * scale if touch else 0
            steps.append((on_time(at), foot, feet[foot], heading + sign * np.radians(turn), not touch, height))
            free = free if touch else 1 - foot
        for at, *names in bar.arms:
            swap = dancer.left_handed if style.hold.issuperset(names) else sign < 0
            pair = np.radians([ARMS[name] for name in (names[::-1] if swap else names)])
            arms.append((on_time(at, dancer.late + 0.01), pair + rng.normal(0, 0.04, (2, 4))))
        for at, bend, lean, twist, sink in bar.torso:
            torso.append((on_time(at), (*np.radians((bend, sign * lean, sign * twist)), sink * scale)))
        x, z, turn = bar.to
        place = 0.8 * (place + scale * (turned @ (sign * x, z)))  # closer to the middle of the floor
        heading += sign * np.radians(turn)
    return np.array(steps, STEP), np.array(arms, ARM_KEY), np.array(torso, TORSO_KEY)


def _choose_bars(style: Style, energies: np.ndarray, rng: np.random.Generator) -> list[Bar]:
    """Return a bar for each energy, from figures that may follow each other; those that fit the energy are likelier."""
    names = sorted(style.figures)
    figure, bars = names[rng.integers(len(names))], []
    while len(bars) < len(energies):
        after = style.figures[figure][2]
        fits = np.array([1.0 if style.figures[name][0] == energies[len(bars)] else 0.15 for name in after])
        figure = after[rng.choice(len(after), p=fits / fits.sum())]
        bars += [style.bars[name] for name in style.figures[figure][1]]
    return bars[: len(energies)]
