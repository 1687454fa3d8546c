"""The format of toy dances: a style, its bars of steps and arm positions, and which figure may follow which.

A bar is written for a dancer whose left foot is free, in metres for a body of 1.7 m, relative to the dancer's position
and heading at its start: x to the dancer's left, z forward. If the right foot is free, the bar is mirrored.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Bar:
    """One bar of a figure.

    `steps` are (beat, foot, x, z, heading in degrees, weight, height): the position of the toes on that beat, how far
    the body has turned to the left, whether the foot takes the weight (1) or only touches (0), and its height (a kick).
    `arms` are (beat, left arm, right arm), names in `ARMS`. `torso` are (beat; bend, lean, twist in degrees; lowering
    of the hips in metres). `to` is where the next bar starts: x, z, heading in degrees.
    """

    steps: tuple[tuple, ...]
    arms: tuple[tuple[float, str, str], ...] = ()
    torso: tuple[tuple[float, float, float, float, float], ...] = ((0, 0, 0, 0, 0),)
    to: tuple[float, float, float] = (0, 0, 0)


@dataclass(frozen=True)
class Style:
    """One dance: its metre and tempo, how the body moves in all figures, its bars, and its figures.

    `figures` maps a name to (energy of the music that it fits: 0 calm, 1 full; its bars; the figures that may follow).
    Lengths are metres for a body of 1.7 m, angles degrees, times beats.
    """

    beats_per_bar: int
    tempo: tuple[float, float]  # beats per minute
    bars: dict[str, Bar]
    figures: dict[str, tuple[int, tuple[str, ...], tuple[str, ...]]]
    bounce: float = 0.0  # how far the hips sink on each beat
    rise: float = 0.0  # angle by which the heels, and with them the body, rise in mid-bar
    knees: float = 0.03  # how far the hips stay below the height of straight legs
    hip_roll: float = 4.0  # angle by which the hip of the supporting leg is higher
    hip_out: float = 0.0  # how far that hip moves out to the side
    settle: float = 0.2  # how long after the foot the hips arrive
    glide: float = 0.8  # how long the hips move
    lift: float = 0.03  # how high a foot rises in a step
    heel: float = 20.0  # angle of a foot without weight, heel up
    sway: float = 4.0  # lean of the chest against a step to the side, per metre per second
    counter: float = 25.0  # turn of the chest against the feet, per metre that one is in front of the other
    snap: float = 0.8  # fraction of the time between two arm positions in which the arms move
    bob: float = 0.0  # how far the arms swing on each beat
    hold: frozenset[str] = field(default_factory=frozenset)  # arm positions mirrored only if left-handed


# Direction, raise, roll, elbow, in degrees; see body.joints.
ARMS = {
    "down": (30, 10, -30, 22),
    "lead": (80, 78, -35, 70),  # ballroom hold: the leading hand
    "embrace": (62, 66, -92, 100),  # ballroom hold: the arm around the absent partner
    "low": (72, 38, -25, 20),
    "side": (82, 84, -25, 16),
    "high": (72, 128, -20, 14),
    "crown": (75, 152, -70, 52),  # rounded over the head
    "curve": (28, 52, -72, 66),  # rounded in front of the waist
    "latin": (42, 38, -52, 92),  # forearms level at the waist
    "latin_in": (18, 44, -70, 104),
    "check": (12, 82, -10, 18),  # straight forward
    "back": (128, 66, -20, 14),
    "hip": (106, 44, -179, 98),
    "point": (55, 142, 0, 4),
    "cross": (-42, 42, -20, 10),  # down across the body
    "pump_up": (8, 62, -22, 108),
    "pump_down": (40, -24, -14, 72),
    "roll_in": (4, 50, -70, 96),
    "roll_out": (16, 66, -62, 82),
    "clap": (8, 57, -52, 89),
    "clap_high": (31, 143, -43, 92),
}

# A bystander, who shifts the weight now and then and does not follow the music.
STANDING = Style(
    beats_per_bar=4,
    tempo=(28, 40),
    knees=0.015,
    hip_roll=5,
    settle=0.6,
    glide=1.0,
    heel=4,
    bars={
        "shift": Bar(
            steps=((0, "L", 0.13, 0, 12, 1, 0), (2, "R", -0.13, 0, -8, 1, 0)),
            arms=((0, "down", "down"), (2, "low", "hip"), (3, "down", "down")),
        ),
        "step": Bar(
            steps=((0, "L", 0.2, 0.1, 15, 1, 0), (1, "R", -0.05, 0.05, 5, 1, 0), (3, "L", 0.13, 0, 0, 1, 0)),
            arms=((0, "down", "down"), (1, "curve", "down"), (3, "down", "down")),
        ),
    },
    figures={"wait": (0, ("shift", "step"), ("wait",))},
)
