"""The dance styles of the toy data: waltz, cha-cha and disco, and a bystander's fidgeting.

A bar is written for a dancer whose left foot is free, in metres for a body of 1.7 m, relative to the dancer's position
and heading at its start: x to the dancer's left, z forward. If the right foot is free, the bar is mirrored.
"""

from types import SimpleNamespace
from typing import NamedTuple


class Bar(NamedTuple):
    """One bar of a figure: where the next bar starts, and lists of steps, arm positions and torso poses.

    `to` is (x, z, heading in degrees). `steps` are (beat, foot, x, z, heading in degrees): the position of the toes on
    that beat, and how far the body has turned to the left; the foot takes the weight. With a sixth value the foot only
    touches, at this height (above 0: a kick). `arms` are (beat, left arm, right arm), names in `ARMS`. `torso` are
    (beat; bend, lean, twist in degrees; lowering of the hips in metres).
    """

    to: tuple
    steps: list[tuple]
    arms: list[tuple]
    torso: list[tuple] | tuple[tuple] = ((0, 0, 0, 0, 0),)


class Style(SimpleNamespace):
    """One dance: its `name`, its `bars`, its `figures`, and the values of `_VALUES`.

    `figures` maps a name to (energy of the music that it fits: 0 calm, 1 full; its bars; the figures that may follow).
    """


# Lengths are metres for a body of 1.7 m, angles degrees, times beats.
_VALUES = {  # waltz, cha-cha, disco, bystander
    "beats_per_bar": (3, 4, 4, 4),
    "tempo": ((84, 98), (104, 116), (120, 134), (28, 40)),  # beats per minute: lowest, highest
    "bounce": (0, 0.008, 0.055, 0),  # how far the hips sink on each beat
    "rise": (24, 0, 0, 0),  # angle by which the heels, and with them the body, rise in mid-bar
    "knees": (0.022, 0.014, 0.02, 0.015),  # how far the hips stay below the height of straight legs
    "hip_roll": (3, 15, 8, 5),  # angle by which the hip of the supporting leg is higher
    "hip_out": (0, 0.05, 0.02, 0),  # how far that hip moves out to the side
    "settle": (0.28, 0.42, 0.3, 0.6),  # how long after the foot the hips arrive
    "glide": (1, 0.75, 0.8, 1),  # how long the hips move
    "lift": (0.015, 0.012, 0.06, 0.03),  # how high a foot rises in a step
    "heel": (16, 34, 24, 4),  # angle of a foot without weight, heel up
    "sway": (9, -3, 3, 4),  # lean of the chest against a step to the side, per metre per second
    "counter": (30, 40, 20, 25),  # turn of the chest against the feet, per metre that one is in front of the other
    "snap": (1, 0.6, 0.62, 0.8),  # fraction of the time between two arm positions in which the arms move
    "bob": (0, 3, 7, 0),  # how far the arms swing on each beat
    "hold": ({"lead", "embrace"}, set(), set(), set()),  # arm positions mirrored only if the dancer is left-handed
}

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
    "clap_high": (31, 143, -43, 92),
}

_CHASSE = "3 R -0.08 0 0, 3.5 L 0.07 0 0"

# Columns: name | to | steps | arms | torso (see `Bar`); the last may be missing.
_BARS = {
    "waltz": """
forward | -0.39 0.5 0 | 0 L 0.08 0.46 0, 1 R -0.48 0.52 0, 2 L -0.3 0.5 0 | 0 lead embrace
back | -0.39 -0.5 0 | 0 L 0.08 -0.44 0, 1 R -0.48 -0.52 0, 2 L -0.3 -0.5 0 | 0 lead embrace
turn_forward | 0.2 0.77 90 | 0 L 0.12 0.4 30, 1 R 0.2 0.86 75, 2 L 0.2 0.68 90 | 0 lead embrace
turn_back | 0.1 -0.75 -90 | 0 L 0.08 -0.38 -30, 1 R 0.1 -0.84 -75, 2 L 0.1 -0.66 -90 | 0 lead embrace
balance | 0.35 0 0 | 0 L 0.44 0 0, 1 R 0.26 0.02 0 0 | 0 curve low, 1.2 high low, 2.6 side low \
    | 0 2 -4 8 0.03, 1.4 -4 11 14 0
twinkle | -0.3 0.58 0 | 0 L -0.22 0.42 -38, 1 R -0.4 0.62 -5, 2 L -0.22 0.62 30 | 0 curve side, 2 side curve
spin | 0.74 0 360 | 0 L 0.44 0.05 75, 1 R 0.66 0.05 235, 2 L 0.84 0 360 | 0 side side, 1 crown crown, 2.6 side side
open | 0 -0.26 0 | 0 L 0.1 -0.42 12, 1 R -0.12 0.06 12 0 | 0 curve curve, 1.3 high side, 2.7 side low \
    | 0 6 0 0 0.02, 1.4 -12 -6 10 0.05, 2.7 0 0 0 0
""",
    "chacha": f"""
rock_back | 0 0 0 | 0 L 0.26 0 0, 1 R 0.06 -0.34 0, 2 L 0.26 0 0, {_CHASSE} \
    | 0 side latin, 1 latin check, 2 latin_in latin, 3 latin side | 0 0 0 0 0, 1 4 0 10 0, 2 0 0 0 0
rock_forward | 0 0 0 | 0 L 0.26 0 0, 1 R 0.14 0.36 0, 2 L 0.26 0 0, {_CHASSE} \
    | 0 side latin, 1 check back, 2 latin latin_in, 3 latin side | 0 0 0 0 0, 1 5 0 -10 0, 2 0 0 0 0
new_yorker | 0 0 0 | 0 L 0.26 0 10, 1 R 0.56 0.22 85, 2 L 0.26 0 20, {_CHASSE} \
    | 0 latin latin, 1 high side, 2 latin latin, 3 side side | 0 0 0 0 0, 1 -7 -6 -22 0, 2 0 0 0 0
hand_to_hand | 0 0 0 | 0 L 0.26 0 0, 1 R 0.44 -0.24 -80, 2 L 0.26 0 -20, {_CHASSE} \
    | 0 latin latin, 1 check back, 2 latin latin, 3 latin side | 0 0 0 0 0, 1 -4 0 25 0, 2 0 0 0 0
spot_turn | 0 0 360 | 0 L 0.26 0 15, 1 R 0.42 0.22 130, 2 L 0.26 0.04 265, 3 R -0.08 0 360, 3.5 L 0.07 0 360 \
    | 0 side side, 1 curve latin_in, 2 latin_in curve, 3 side side
cuban_breaks | 0 0 0 \
    | 0 L -0.04 0.26 -20, 0.5 R -0.12 0 0, 1 L 0.2 0 0, 2 R 0.04 0.26 20, 2.5 L 0.12 0 0, 3 R -0.2 0 0 \
    | 0 hip latin_in, 1 hip side, 2 latin_in hip, 3 side hip | 0 4 0 -8 0.02, 1 0 0 0 0, 2 4 0 8 0.02, 3 0 0 0 0
""",
    "disco": """
side_touch | 0 0 0 | 0 L 0.33 0 8, 1 R 0.14 0.04 0 0, 2 R -0.33 0 -8, 3 L -0.14 0.04 0 0 \
    | 0 pump_down pump_up, 1 pump_up pump_down, 2 pump_up pump_down, 3 pump_down pump_up \
    | 0 4 5 -8 0, 1 8 0 8 0.02, 2 4 -5 8 0, 3 8 0 -8 0.02
grapevine | 0.8 0 0 | 0 L 0.36 0 0, 1 R 0.56 -0.18 12, 2 L 0.9 0 0, 3 R 0.72 0.05 0 0 \
    | 0 side side, 1 cross cross, 2 side side, 3 clap_high clap_high | 0 3 0 0 0, 1 6 0 -12 0, 2 3 0 0 0, 3 0 8 0 0.01
fever | 0 0 0 | 0 L 0.3 0 0, 1 R -0.24 0 0, 2 L 0.3 0 0, 3 R -0.24 0 0 \
    | 0 hip point, 1 hip cross, 2 hip point, 3 hip cross | 0 -4 -8 -14 0, 1 8 6 16 0.04, 2 -4 -8 -14 0, 3 8 6 16 0.04
kicks | 0 0 0 | 0 L 0.3 0.38 0 0.36, 1 L 0.13 0.02 0, 2 R -0.3 0.38 0 0.36, 3 R -0.13 0.02 0 \
    | 0 back check, 1 low low, 2 check back, 3 low low | 0 -6 0 10 0, 1 6 0 0 0.02, 2 -6 0 -10 0, 3 6 0 0 0.02
rolling_turn | 0.88 0 360 | 0 L 0.4 0 80, 1 R 0.64 0.04 225, 2 L 0.98 0 360, 3 R 0.8 0.04 360 0 \
    | 0 low curve, 1 curve curve, 2 side side, 3 clap_high clap_high | 0 0 0 0 0, 3 4 6 0 0.03
roll | 0 0 0 | 0 L 0.24 0.16 10 0, 1 L 0.14 0 0, 2 R -0.24 0.16 -10 0, 3 R -0.14 0 0 \
    | 0 roll_in roll_out, 0.5 roll_out roll_in, 1 roll_in roll_out, 1.5 roll_out roll_in, \
      2 roll_in roll_out, 2.5 roll_out roll_in, 3 roll_in roll_out, 3.5 roll_out roll_in \
    | 0 12 8 0 0.05, 1 6 0 0 0, 2 12 -8 0 0.05, 3 6 0 0 0
""",
    "bystander": """
shift | 0 0 0 | 0 L 0.13 0 12, 2 R -0.13 0 -8 | 0 down down, 2 low hip, 3 down down
step | 0 0 0 | 0 L 0.2 0.1 15, 1 R -0.05 0.05 5, 3 L 0.13 0 0 | 0 down down, 1 curve down, 3 down down
""",
}

_FIGURES = {
    "waltz": {
        "box": (0, ("forward", "back"), ("box", "turn", "twinkles", "balances")),
        "turn": (1, ("turn_forward", "turn_back", "turn_forward", "turn_back"), ("balances", "spins", "open")),
        "balances": (0, ("balance", "balance"), ("box", "twinkles", "spins", "turn")),
        "twinkles": (0, ("twinkle", "twinkle", "back", "back"), ("balances", "box", "turn")),
        "spins": (1, ("spin", "spin"), ("open", "turn", "balances")),
        "open": (1, ("open", "forward"), ("turn", "spins", "box")),
    },
    "chacha": {
        "basic": (0, ("rock_back", "rock_forward"), ("basic", "new_yorkers", "cubans", "spot_turns")),
        "new_yorkers": (1, ("new_yorker", "new_yorker"), ("spot_turns", "hands", "basic")),
        "hands": (0, ("hand_to_hand", "hand_to_hand"), ("spot_turns", "cubans", "basic")),
        "spot_turns": (1, ("spot_turn", "rock_forward"), ("new_yorkers", "basic", "cubans")),
        "cubans": (0, ("cuban_breaks", "cuban_breaks"), ("basic", "hands", "new_yorkers")),
    },
    "disco": {
        "touches": (0, ("side_touch", "side_touch"), ("touches", "vines", "rolls", "fever")),
        "vines": (0, ("grapevine", "grapevine"), ("turns", "kicks", "rolls")),
        "fever": (1, ("fever", "fever"), ("kicks", "turns", "touches")),
        "kicks": (1, ("kicks", "kicks"), ("fever", "turns", "vines")),
        "turns": (1, ("rolling_turn", "rolling_turn"), ("fever", "kicks", "rolls")),
        "rolls": (0, ("roll", "roll"), ("touches", "vines", "fever")),
    },
    "bystander": {"wait": (0, ("shift", "step"), ("wait",))},
}


def _read_bars(table: str) -> dict[str, Bar]:
    """Read the bars of one style from `_BARS`."""
    bars = {}
    for row in table.strip().splitlines():
        name, *cells = row.split("|")
        to, *lists = [[tuple(map(_value, item.split())) for item in cell.split(",")] for cell in cells]
        bars[name.strip()] = Bar(to[0], *lists)
    return bars


def _value(word: str) -> str | float:
    return word if word.isidentifier() else float(word)


_ALL = {
    name: Style(
        name=name, bars=_read_bars(_BARS[name]), figures=_FIGURES[name], **dict(zip(_VALUES, values, strict=True))
    )
    for name, values in zip(_BARS, zip(*_VALUES.values(), strict=True), strict=True)
}
STYLES = {name: _ALL[name] for name in ("waltz", "chacha", "disco")}
BYSTANDER = _ALL["bystander"]  # shifts the weight now and then and does not follow the music
