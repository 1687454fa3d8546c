"""Train music2pose: a network that predicts motion tokens from the window before, the bar and the style.

Reads   DATA/clusters.npz, DATA/tokens/<clip>.npz, DATA/music/<clip>.npz, DATA/splits/,
        DATA/clips.csv
Writes  DATA/models/music2pose.pt        the network with the least loss on the val split, with codebook and units
        DATA/models/music2pose.last.pt   the state of training, for --resume
        DATA/models/runs/music2pose/     TensorBoard (tensorboard --logdir DATA/models/runs), and a video of a real
                                         and a generated dance: step_<n>.mp4

Example: python train.py data/ballroom --steps 3000
"""

import math
from functools import partial

from learn2dance import cli, distributed
from learn2dance.cli import log


def main(argv: list[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    cli.setup(args.quiet, args.threads)
    with distributed.start(args) as processes:
        train_model(args, processes)


def train_model(args, processes: distributed.Processes) -> None:
    """Train, as one of the processes that do."""
    import numpy as np
    import torch

    from learn2dance.data import data_root
    from learn2dance.data.training_run import TrainingRun
    from learn2dance.music2pose import dataset, training
    from learn2dance.music2pose.model import load_model, save_model

    root = data_root.open_root(args.data)
    out = args.out or root.path / "models" / "music2pose.pt"
    data = training.read_data(root, args.style)
    run = TrainingRun("music2pose", out, args, data.parents, processes)
    if run.is_up_to_date():
        sample(args, run, root, data)
        return

    torch.manual_seed(args.seed)
    model = training.new_model(data, args.width, args.dropout)
    network = model.network.to(processes.device)
    train = training.examples(data.train, model, data.mirror)
    val = training.examples(data.val, model)
    optimiser = training.optimiser(network, args.lr, args.weight_decay)
    run.begin(network, optimiser)
    log.info("%.2f million parameters, %d songs (%d windows) for training, %d for validation (%d windows), on %s",
             sum(p.numel() for p in network.parameters()) / 1e6, len(data.train), len(data.units.bar), len(data.val),
             len(val[0]), processes)  # fmt: skip

    for step in run.steps():
        batch = dataset.batch(train, args.batch, run.rng)
        rate = args.lr * schedule(step, args.warmup, args.steps)
        processes.seed_dropout(args.seed, step)
        batch = [part.to(processes.device) for part in batch]
        losses, norm = training.step(network, optimiser, batch, rate, processes)  # losses (L,)
        if not torch.isfinite(norm):
            run.diverged("the gradient is not finite")
        if run.is_validation_step():
            val_losses = training.validation_loss(network, val)  # (L,)
            val_loss = float(val_losses.mean())
            scores = {"loss": val_loss} | {f"level {level}": value for level, value in enumerate(val_losses)}
            run.validated(val_loss, partial(save_model, model=model), scores, {"loss": losses.mean(), "rate": rate})
            if run.waited >= args.patience:
                break
    run.finish("validation cross-entropy (nats per whole-body token)")
    if not processes.is_main:
        return
    network = load_model(run.out, processes.device).network
    log.info("from token frequencies alone: %.3f", training.unigram_loss(train, val, model.config.codes).mean())
    mismatched = training.mismatch_bars(val, np.random.default_rng(args.seed))
    log.info("with other positions in the bar: %.3f", training.validation_loss(network, mismatched).mean())
    sample(args, run, root, data)
    log.info("next: python eval.py %s --split val --model %s", args.data, run.out)


def sample(args, run, root, data) -> None:
    """Write the video of a real dance of the val split and a generated one, if it is missing."""
    from learn2dance.music2pose import training
    from learn2dance.music2pose.model import load_model

    video = run.folder / f"step_{run.best_step:06d}.mp4"
    if run.processes.is_main and not args.no_video and not video.exists():
        training.render_sample(root, load_model(run.out), min(data.val), args.seed, video)
        log.info("%s: a real dance of the val split beside a generated one", video)


def schedule(step: int, warmup: int, steps: int) -> float:
    """Return the factor of the learning rate at a step: linear warm-up, then half a cosine down to zero."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(steps - warmup, 1)))


def arguments(argv: list[str] | None):
    """Parse the command line."""
    parser = cli.parser(__doc__, "resume", "accumulate", "seed", "device", "threads", "quiet")
    parser.add_argument("data", metavar="DATA", help="data root")
    parser.add_argument("--out", metavar="FILE", help="output (DATA/models/music2pose.pt)")
    parser.add_argument("--style", help="train on this style only (default: on all, with the style label as input)")
    number, share = cli.positive(int), cli.positive(float)
    group = parser.add_argument_group("network")
    hint = "of hidden layers, a multiple of 4 (%(default)s)"
    group.add_argument("--width", type=cli.multiple_of(4), default=64, help=hint)
    group.add_argument("--dropout", type=cli.number_between(0, 1), default=0.4, help="probability (%(default)s)")
    group = parser.add_argument_group("training")
    group.add_argument("--steps", type=number, default=1000, help="maximum number of steps (%(default)s)")
    group.add_argument("--batch", type=number, default=384, help="windows per step (%(default)s)")
    group.add_argument("--lr", type=share, default=8e-3, help="peak learning rate (%(default)s)")
    group.add_argument("--weight-decay", type=cli.number_between(0, 1), default=0.05, help="of AdamW (%(default)s)")
    group.add_argument("--warmup", type=number, default=50, help="steps of linear warm-up (%(default)s)")
    group.add_argument("--every", type=number, default=25, help="steps between validations (%(default)s)")
    hint = "validations without improvement before it stops (%(default)s)"
    group.add_argument("--patience", type=number, default=8, help=hint)
    group.add_argument("--no-video", action="store_true", help="write no video of a real and a generated dance")
    return parser.parse_args(argv)


if __name__ == "__main__":
    cli.run(main)
