"""Command-line options of the GAN: those that its trainers share, and types of eval.py's.

Without torch, so that ``--help`` is fast.
"""

from learn2dance import cli


def add_training(parser, what: str):
    """Add the options of adversarial training to a parser, without defaults; return their group.

    ``what`` a training example is: "pose" or "sequence".
    """
    group, number, fraction = parser.add_argument_group("training"), cli.positive(int), cli.number_between(0, 1)
    group.add_argument("--steps", type=number, help="of the generator (%(default)s)")
    hint = "first steps, in which the generator trains without the critic (%(default)s)"
    group.add_argument("--pretrain-steps", type=cli.whole_number, help=hint)
    group.add_argument("--batch", type=number, help=f"{what}s per step (%(default)s)")
    hint = "learning rate in pretraining, of which a fifth remains later (%(default)s)"
    group.add_argument("--lr", type=cli.positive(float), default=1e-3, help=hint)
    hint = "loss weight of the critic's score (%(default)s)"
    group.add_argument("--critic-weight", type=cli.positive(float), help=hint)
    hint = "weight of the critic's gradient penalties (%(default)s)"
    group.add_argument("--penalty", type=cli.positive(float), help=hint)
    group.add_argument("--decay", type=fraction, default=0.999, help="of the moving average (%(default)s)")
    group.add_argument("--no-mirror", action="store_true", help=f"do not train on mirrored copies of {what}s")
    group.add_argument("--every", type=number, help="steps between validations (%(default)s)")
    hint = "steps between new samples of the data, if not all fit into memory (%(default)s)"
    group.add_argument("--resample-every", type=number, help=hint)
    return group


def frames(text: str) -> list[str]:
    """Split ``A:B,C:D`` into ranges of frames, and check them."""
    for part in text.split(","):
        first, colon, last = part.partition(":")
        if not colon or not 0 <= int(first or 0) < int(last or 2**31):
            raise ValueError
    return text.split(",")


def joints(text: str) -> list[int]:
    """Parse ``A-B,C``: joints, counted from 0."""
    found: list[int] = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        found += range(int(first), min(int(last if dash else first), 999) + 1)
    if not found:
        raise ValueError
    return found
