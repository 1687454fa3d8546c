"""The figures of the toy dancers: waltz, cha-cha and disco, bar by bar (see `style` for the format of a bar)."""

from learn2dance.synthetic.style import Bar, Style

WALTZ = Style(
    beats_per_bar=3,
    tempo=(84, 98),
    rise=24,
    knees=0.022,
    hip_roll=3,
    settle=0.28,
    glide=1.0,
    lift=0.015,
    heel=16,
    sway=9,
    counter=30,
    snap=1.0,
    hold=frozenset({"lead", "embrace"}),
    bars={
        "forward": Bar(
            steps=((0, "L", 0.08, 0.46, 0, 1, 0), (1, "R", -0.48, 0.52, 0, 1, 0), (2, "L", -0.30, 0.50, 0, 1, 0)),
            arms=((0, "lead", "embrace"),),
            to=(-0.39, 0.50, 0),
        ),
        "back": Bar(
            steps=((0, "L", 0.08, -0.44, 0, 1, 0), (1, "R", -0.48, -0.52, 0, 1, 0), (2, "L", -0.30, -0.50, 0, 1, 0)),
            arms=((0, "lead", "embrace"),),
            to=(-0.39, -0.50, 0),
        ),
        "turn_forward": Bar(
            steps=((0, "L", 0.12, 0.40, 30, 1, 0), (1, "R", 0.20, 0.86, 75, 1, 0), (2, "L", 0.20, 0.68, 90, 1, 0)),
            arms=((0, "lead", "embrace"),),
            to=(0.20, 0.77, 90),
        ),
        "turn_back": Bar(
            steps=(
                (0, "L", 0.08, -0.38, -30, 1, 0),
                (1, "R", 0.10, -0.84, -75, 1, 0),
                (2, "L", 0.1, -0.66, -90, 1, 0),
            ),
            arms=((0, "lead", "embrace"),),
            to=(0.10, -0.75, -90),
        ),
        "balance": Bar(
            steps=((0, "L", 0.44, 0.0, 0, 1, 0), (1, "R", 0.26, 0.02, 0, 0, 0)),
            arms=((0, "curve", "low"), (1.2, "high", "low"), (2.6, "side", "low")),
            torso=((0, 2, -4, 8, 0.03), (1.4, -4, 11, 14, 0.0)),
            to=(0.35, 0, 0),
        ),
        "twinkle": Bar(
            steps=((0, "L", -0.22, 0.42, -38, 1, 0), (1, "R", -0.40, 0.62, -5, 1, 0), (2, "L", -0.22, 0.62, 30, 1, 0)),
            arms=((0, "curve", "side"), (2, "side", "curve")),
            to=(-0.30, 0.58, 0),
        ),
        "spin": Bar(
            steps=((0, "L", 0.44, 0.05, 75, 1, 0), (1, "R", 0.66, 0.05, 235, 1, 0), (2, "L", 0.84, 0.0, 360, 1, 0)),
            arms=((0, "side", "side"), (1, "crown", "crown"), (2.6, "side", "side")),
            to=(0.74, 0, 360),
        ),
        "open": Bar(
            steps=((0, "L", 0.10, -0.42, 12, 1, 0), (1, "R", -0.12, 0.06, 12, 0, 0)),
            arms=((0, "curve", "curve"), (1.3, "high", "side"), (2.7, "side", "low")),
            torso=((0, 6, 0, 0, 0.02), (1.4, -12, -6, 10, 0.05), (2.7, 0, 0, 0, 0.0)),
            to=(0, -0.26, 0),
        ),
    },
    figures={
        "box": (0, ("forward", "back"), ("box", "turn", "twinkles", "balances")),
        "turn": (1, ("turn_forward", "turn_back", "turn_forward", "turn_back"), ("balances", "spins", "open")),
        "balances": (0, ("balance", "balance"), ("box", "twinkles", "spins", "turn")),
        "twinkles": (0, ("twinkle", "twinkle", "back", "back"), ("balances", "box", "turn")),
        "spins": (1, ("spin", "spin"), ("open", "turn", "balances")),
        "open": (1, ("open", "forward"), ("turn", "spins", "box")),
    },
)

_CHASSE = ((3, "R", -0.08, 0, 0, 1, 0), (3.5, "L", 0.07, 0, 0, 1, 0))

CHACHA = Style(
    beats_per_bar=4,
    tempo=(104, 116),
    bounce=0.008,
    knees=0.014,
    hip_roll=15,
    hip_out=0.05,
    settle=0.42,
    glide=0.75,
    lift=0.012,
    heel=34,
    sway=-3,
    counter=40,
    snap=0.6,
    bob=3,
    bars={
        "rock_back": Bar(
            steps=((0, "L", 0.26, 0, 0, 1, 0), (1, "R", 0.06, -0.34, 0, 1, 0), (2, "L", 0.26, 0, 0, 1, 0), *_CHASSE),
            arms=((0, "side", "latin"), (1, "latin", "check"), (2, "latin_in", "latin"), (3, "latin", "side")),
            torso=((0, 0, 0, 0, 0), (1, 4, 0, 10, 0), (2, 0, 0, 0, 0)),
        ),
        "rock_forward": Bar(
            steps=((0, "L", 0.26, 0, 0, 1, 0), (1, "R", 0.14, 0.36, 0, 1, 0), (2, "L", 0.26, 0, 0, 1, 0), *_CHASSE),
            arms=((0, "side", "latin"), (1, "check", "back"), (2, "latin", "latin_in"), (3, "latin", "side")),
            torso=((0, 0, 0, 0, 0), (1, 5, 0, -10, 0), (2, 0, 0, 0, 0)),
        ),
        "new_yorker": Bar(
            steps=((0, "L", 0.26, 0, 10, 1, 0), (1, "R", 0.56, 0.22, 85, 1, 0), (2, "L", 0.26, 0, 20, 1, 0), *_CHASSE),
            arms=((0, "latin", "latin"), (1, "high", "side"), (2, "latin", "latin"), (3, "side", "side")),
            torso=((0, 0, 0, 0, 0), (1, -7, -6, -22, 0), (2, 0, 0, 0, 0)),
        ),
        "hand_to_hand": Bar(
            steps=(
                (0, "L", 0.26, 0, 0, 1, 0),
                (1, "R", 0.44, -0.24, -80, 1, 0),
                (2, "L", 0.26, 0, -20, 1, 0),
                *_CHASSE,
            ),
            arms=((0, "latin", "latin"), (1, "check", "back"), (2, "latin", "latin"), (3, "latin", "side")),
            torso=((0, 0, 0, 0, 0), (1, -4, 0, 25, 0), (2, 0, 0, 0, 0)),
        ),
        "spot_turn": Bar(
            steps=(
                (0, "L", 0.26, 0, 15, 1, 0),
                (1, "R", 0.42, 0.22, 130, 1, 0),
                (2, "L", 0.26, 0.04, 265, 1, 0),
                (3, "R", -0.08, 0, 360, 1, 0),
                (3.5, "L", 0.07, 0, 360, 1, 0),
            ),
            arms=((0, "side", "side"), (1, "curve", "latin_in"), (2, "latin_in", "curve"), (3, "side", "side")),
            to=(0, 0, 360),
        ),
        "cuban_breaks": Bar(
            steps=(
                (0, "L", -0.04, 0.26, -20, 1, 0),
                (0.5, "R", -0.12, 0, 0, 1, 0),
                (1, "L", 0.2, 0, 0, 1, 0),
                (2, "R", 0.04, 0.26, 20, 1, 0),
                (2.5, "L", 0.12, 0, 0, 1, 0),
                (3, "R", -0.2, 0, 0, 1, 0),
            ),
            arms=((0, "hip", "latin_in"), (1, "hip", "side"), (2, "latin_in", "hip"), (3, "side", "hip")),
            torso=((0, 4, 0, -8, 0.02), (1, 0, 0, 0, 0), (2, 4, 0, 8, 0.02), (3, 0, 0, 0, 0)),
        ),
    },
    figures={
        "basic": (0, ("rock_back", "rock_forward"), ("basic", "new_yorkers", "cubans", "spot_turns")),
        "new_yorkers": (1, ("new_yorker", "new_yorker"), ("spot_turns", "hands", "basic")),
        "hands": (0, ("hand_to_hand", "hand_to_hand"), ("spot_turns", "cubans", "basic")),
        "spot_turns": (1, ("spot_turn", "rock_forward"), ("new_yorkers", "basic", "cubans")),
        "cubans": (0, ("cuban_breaks", "cuban_breaks"), ("basic", "hands", "new_yorkers")),
    },
)

DISCO = Style(
    beats_per_bar=4,
    tempo=(120, 134),
    bounce=0.055,
    knees=0.02,
    hip_roll=8,
    hip_out=0.02,
    settle=0.3,
    glide=0.8,
    lift=0.06,
    heel=24,
    sway=3,
    counter=20,
    snap=0.62,
    bob=7,
    bars={
        "side_touch": Bar(
            steps=(
                (0, "L", 0.33, 0, 8, 1, 0),
                (1, "R", 0.14, 0.04, 0, 0, 0),
                (2, "R", -0.33, 0, -8, 1, 0),
                (3, "L", -0.14, 0.04, 0, 0, 0),
            ),
            arms=((0, "pump_down", "pump_up"), (1, "pump_up", "pump_down"), (2, "pump_up", "pump_down"))
            + ((3, "pump_down", "pump_up"),),
            torso=((0, 4, 5, -8, 0), (1, 8, 0, 8, 0.02), (2, 4, -5, 8, 0), (3, 8, 0, -8, 0.02)),
        ),
        "grapevine": Bar(
            steps=(
                (0, "L", 0.36, 0, 0, 1, 0),
                (1, "R", 0.56, -0.18, 12, 1, 0),
                (2, "L", 0.90, 0, 0, 1, 0),
                (3, "R", 0.72, 0.05, 0, 0, 0),
            ),
            arms=((0, "side", "side"), (1, "cross", "cross"), (2, "side", "side"), (3, "clap_high", "clap_high")),
            torso=((0, 3, 0, 0, 0), (1, 6, 0, -12, 0), (2, 3, 0, 0, 0), (3, 0, 8, 0, 0.01)),
            to=(0.80, 0, 0),
        ),
        "fever": Bar(
            steps=(
                (0, "L", 0.30, 0, 0, 1, 0),
                (1, "R", -0.24, 0, 0, 1, 0),
                (2, "L", 0.30, 0, 0, 1, 0),
                (3, "R", -0.24, 0, 0, 1, 0),
            ),
            arms=((0, "hip", "point"), (1, "hip", "cross"), (2, "hip", "point"), (3, "hip", "cross")),
            torso=((0, -4, -8, -14, 0), (1, 8, 6, 16, 0.04), (2, -4, -8, -14, 0), (3, 8, 6, 16, 0.04)),
        ),
        "kicks": Bar(
            steps=(
                (0, "L", 0.30, 0.38, 0, 0, 0.36),
                (1, "L", 0.13, 0.02, 0, 1, 0),
                (2, "R", -0.30, 0.38, 0, 0, 0.36),
                (3, "R", -0.13, 0.02, 0, 1, 0),
            ),
            arms=((0, "back", "check"), (1, "low", "low"), (2, "check", "back"), (3, "low", "low")),
            torso=((0, -6, 0, 10, 0), (1, 6, 0, 0, 0.02), (2, -6, 0, -10, 0), (3, 6, 0, 0, 0.02)),
        ),
        "rolling_turn": Bar(
            steps=(
                (0, "L", 0.40, 0, 80, 1, 0),
                (1, "R", 0.64, 0.04, 225, 1, 0),
                (2, "L", 0.98, 0, 360, 1, 0),
                (3, "R", 0.80, 0.04, 360, 0, 0),
            ),
            arms=((0, "low", "curve"), (1, "curve", "curve"), (2, "side", "side"), (3, "clap_high", "clap_high")),
            torso=((0, 0, 0, 0, 0), (3, 4, 6, 0, 0.03)),
            to=(0.88, 0, 360),
        ),
        "roll": Bar(
            steps=(
                (0, "L", 0.24, 0.16, 10, 0, 0),
                (1, "L", 0.14, 0, 0, 1, 0),
                (2, "R", -0.24, 0.16, -10, 0, 0),
                (3, "R", -0.14, 0, 0, 1, 0),
            ),
            arms=tuple((b / 2, *(("roll_in", "roll_out"), ("roll_out", "roll_in"))[b % 2]) for b in range(8)),
            torso=((0, 12, 8, 0, 0.05), (1, 6, 0, 0, 0), (2, 12, -8, 0, 0.05), (3, 6, 0, 0, 0)),
        ),
    },
    figures={
        "touches": (0, ("side_touch", "side_touch"), ("touches", "vines", "rolls", "fever")),
        "vines": (0, ("grapevine", "grapevine"), ("turns", "kicks", "rolls")),
        "fever": (1, ("fever", "fever"), ("kicks", "turns", "touches")),
        "kicks": (1, ("kicks", "kicks"), ("fever", "turns", "vines")),
        "turns": (1, ("rolling_turn", "rolling_turn"), ("fever", "kicks", "rolls")),
        "rolls": (0, ("roll", "roll"), ("touches", "vines", "fever")),
    },
)

STYLES = {"waltz": WALTZ, "chacha": CHACHA, "disco": DISCO}
