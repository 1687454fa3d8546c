"""Train music2pose: a network that predicts motion tokens from music.

Reads   DATA/clusters.npz, DATA/tokens/<clip>.npz, DATA/music/<clip>.npz, DATA/splits/,
        DATA/clips.csv
Writes  DATA/models/music2pose.pt        the network with the least loss on the val split, with codebook and units
        DATA/models/music2pose.last.pt   the state of training, for --resume
        DATA/models/runs/music2pose/     TensorBoard: tensorboard --logdir DATA/models/runs

Example: python train.py data/ballroom --steps 3000
"""

import math
from pathlib import Path

from learn2dance import cli
from learn2dance.cli import log
from learn2dance.errors import UserError


def main(argv: list[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    cli.setup(args.quiet, args.threads)
    import torch
    from torch.utils.tensorboard import SummaryWriter

    from learn2dance.data import data_root, training_run
    from learn2dance.music2pose import dataset, training
    from learn2dance.music2pose.model import save_model
    from learn2dance.music2pose.networks import Config

    device = cli.device(args.device)
    root = data_root.open_root(args.data)
    out = Path(args.out or root.path / "models" / ("music2pose.pt" if args.model == "transformer" else "lstm.pt"))
    last = out.with_name(f"{out.name.removesuffix('.pt')}.last.pt")
    outside = ("data", "out", "resume", "device", "threads", "quiet")
    hyperparameters = {key: value for key, value in vars(args).items() if key not in outside}
    if args.width % Config.heads:
        raise UserError(f"--width {args.width}: expected a multiple of {Config.heads}, the attention's heads")
    data = training.read_data(root, args.style)
    if training_run.is_up_to_date(out, last, hyperparameters, data.parents):
        log.info("%s: fresh", out)
        return

    torch.manual_seed(args.seed)
    dancer = training.new_model(data, args)
    network, config = dancer.network.to(device), dancer.config
    train, val = training.to_songs(data.train, dancer), training.to_songs(data.val, dancer)
    optimiser = training.optimiser(network, args.lr, args.weight_decay)
    state = training_run.TrainingState(rng=training_run.batch_generator(args.seed))
    if args.resume and last.exists():
        training_run.resume(last, hyperparameters, data.parents, network, optimiser, state)
    size = sum(p.numel() for p in network.parameters()) / 1e6
    log.info("%s, %.1f million weights, %d songs (%d windows) to learn from, %d to judge by, on %s",
             args.model, size, len(train), sum(len(s.tokens) for s in train), len(val), device)  # fmt: skip

    runs = SummaryWriter(str(out.parent / "runs" / out.stem), purge_step=state.step)
    bar = cli.progress(range(state.step, args.steps), "train", args.steps - state.step)
    for state.step in bar:
        batch = [
            part.to(device) for part in dataset.batch(train, args.batch, args.beats, config, data.mirror, state.rng)
        ]
        losses, norm = training.step(network, optimiser, batch, args.lr * schedule(state.step, args.warmup, args.steps))
        if not torch.isfinite(norm):
            raise UserError(
                f"step {state.step}: the gradient is not finite; {out} is the last good one, try a lower --lr"
            )

        if (state.step + 1) % args.every == 0 or state.step + 1 == args.steps:
            judged = training.validation_loss(network, val, config)  # (L,)
            runs.add_scalar("train/loss", losses.mean(), state.step)
            runs.add_scalar("val/loss", judged.mean(), state.step)
            for level, value in enumerate(judged):
                runs.add_scalar(f"val/level {level}", value, state.step)
            runs.add_scalar("lr", optimiser.param_groups[0]["lr"], state.step)
            state.step += 1
            better = state.note(float(judged.mean()), network)
            if better or not out.exists():
                save_model(
                    out, dancer, state.best_network, **state.found(), arguments=hyperparameters, parents=data.parents
                )
            training_run.save_state(last, hyperparameters, data.parents, network, optimiser, state)
            log.info("step %d: train %.3f, val %.3f%s", state.step, losses.mean(), judged.mean(), ", the best" * better)
            if state.waited >= args.patience:
                break
    runs.close()
    training_run.save_state(last, hyperparameters, data.parents, network, optimiser, state, done=True)
    network.load_state_dict(state.best_network)
    if not out.exists():
        save_model(out, dancer, state.best_network, **state.found(), arguments=hyperparameters, parents=data.parents)
    log.info("%s: val loss %.3f nats a code at step %d of %d", out, state.best, state.best_step, state.step)
    log.info("by the codes' frequencies alone %.3f", training.unigram_loss(train, val, config).mean())
    if len(val) > 1:
        deaf = training.validation_loss(network, training.mismatch_music(val), config)
        log.info("with another song's sound, but its own bars %.3f", deaf.mean())
    log.info("next: python eval.py %s --split val --model %s", args.data, out)


def schedule(step: int, warmup: int, steps: int) -> float:
    """Return the factor of the learning rate at a step: linear warm-up, then half a cosine down to zero."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(steps - warmup, 1)))


def arguments(argv: list[str] | None):
    """Parse the command line."""
    parser = cli.parser(__doc__, "seed", "device", "threads", "quiet")
    parser.add_argument("data", metavar="DATA", help="data root")
    parser.add_argument("--out", metavar="FILE", help="output (DATA/models/music2pose.pt; lstm.pt for --model lstm)")
    parser.add_argument("--resume", action="store_true", help="continue an interrupted run of the same command")
    parser.add_argument("--style", help="train on this style only (all, conditioned on the style label)")
    number, share = cli.positive(int), cli.positive(float)
    group = parser.add_argument_group("network")
    group.add_argument("--model", choices=("transformer", "lstm"), default="transformer",
                       help="lstm: the original's architecture, a baseline (%(default)s)")  # fmt: skip
    group.add_argument("--width", type=number, default=64, help="of hidden layers (%(default)s)")
    group.add_argument("--layers", type=number, default=1, help="of the transformer (%(default)s)")
    group.add_argument("--dropout", type=cli.number_between(0, 1), default=0.4, help="probability (%(default)s)")
    group.add_argument("--context", type=number, default=8, help="beats the transformer attends to (%(default)s)")
    group = parser.add_argument_group("training")
    group.add_argument("--steps", type=number, default=900, help="maximum number of steps (%(default)s)")
    group.add_argument("--batch", type=number, default=16, help="sequences per step (%(default)s)")
    group.add_argument("--beats", type=number, default=48, help="beats per sequence (%(default)s)")
    group.add_argument("--lr", type=share, default=3e-3, help="peak learning rate (%(default)s)")
    group.add_argument("--weight-decay", type=cli.number_between(0, 1), default=0.05, help="of AdamW (%(default)s)")
    group.add_argument("--warmup", type=number, default=100, help="steps of linear warm-up (%(default)s)")
    group.add_argument("--every", type=number, default=25, help="steps between validations (%(default)s)")
    group.add_argument(
        "--patience", type=number, default=8, help="validations without improvement before it stops (%(default)s)"
    )
    return parser.parse_args(argv)


if __name__ == "__main__":
    cli.run(main)
