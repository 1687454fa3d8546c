"""Train the pose GAN: a generator of single poses from noise, which defines a latent space of poses, and an encoder.

Reads   DATADIR/*.npz, each with poses (T, J, 2), of any number of joints J: DATA/poses of a data root (then also its
        splits/, and clips.csv for the styles), or any folder of your own
Writes  models/pose_gan.pt beside DATADIR (--out): the encoder, and the generator's moving average, when it had the
        least FID on the val split
        models/pose_gan.last.pt           the state of training, for --resume
        models/runs/pose_gan/             TensorBoard, and pictures of real and generated poses: step_<n>.png

Example: python train_pose.py data/ballroom/poses
"""

from pathlib import Path

from learn2dance import cli
from learn2dance.cli import log
from learn2dance.errors import UserError


def main(argv: list[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    cli.setup(args.quiet, args.threads)
    import numpy as np
    import torch
    from torch.utils.tensorboard import SummaryWriter

    from learn2dance import threads
    from learn2dance.data import training_run
    from learn2dance.gan import pose_folder, pose_training
    from learn2dance.gan.pose_networks import PoseConfig
    from learn2dance.motion import skeleton

    device = cli.device(args.device)
    folder = pose_folder.open_folder(args.datadir)
    out = Path(args.out or folder.path.resolve().parent / "models" / "pose_gan.pt")
    last = out.with_name(f"{out.name.removesuffix('.pt')}.last.pt")
    outside = ("datadir", "datadir_option", "out", "resume", "device", "threads", "quiet")
    hyperparameters = {key: value for key, value in vars(args).items() if key not in outside}
    parents = {"poses": folder.digest(), "train": folder.train, "val": folder.val, "styles": list(folder.names())}
    if training_run.is_up_to_date(out, last, hyperparameters, parents, "pose_gan"):
        log.info("%s: fresh", out)
        return

    torch.manual_seed(args.seed)
    poses, style, everything = pose_folder.pool(folder, folder.train, np.random.default_rng([args.seed, 0]))
    judged = pose_folder.pool(folder, folder.val, np.random.default_rng([args.seed, 1]))[:2]
    pair = pose_training.PoseGan(
        PoseConfig(folder.joints, folder.names(), args.latent, args.width, args.layers), args.decay
    )
    pair.fit(poses)
    mirrored = pair.generator.config.style_count if folder.joints in skeleton.JOINTS and not args.no_mirror else 0
    pair.to(device)
    optimisers = pose_training.Optimisers(pair, args.lr)
    state = training_run.TrainingState(rng=training_run.batch_generator(args.seed), kind="pose_gan")
    if args.resume and last.exists():
        training_run.resume(last, hyperparameters, parents, pair, optimisers, state)
    drawn = np.random.default_rng(args.seed).permutation(len(judged[0]))[: pose_training.SCORED]
    real, told = judged[0][drawn], judged[1][drawn]
    alike = np.random.default_rng(args.seed).integers(len(poses), size=len(real))
    floor = pose_training.score_poses(poses[alike], real)
    many = f"{len(poses)} poses of {folder.joints} joints" + ("" if everything else " at a time")
    log.info("%s to learn from, %d to judge by; FID of those to these %.2f; on %s",
             many, len(judged[0]), floor["FID"], device)  # fmt: skip

    renewed = 0  # times that poses were resampled
    runs = out.parent / "runs" / out.stem
    board = SummaryWriter(str(runs), purge_step=state.step)
    bar = cli.progress(range(state.step, args.steps), "train", args.steps - state.step)
    for state.step in bar:
        if args.threads == 0 and state.step % 50 == 0:
            threads.limit(0)  # the number of idle cores changes
        if not everything and (renewed != state.step // args.resample_every):
            renewed = state.step // args.resample_every
            poses, style, _ = pose_folder.pool(folder, folder.train, np.random.default_rng([args.seed, 2, renewed]))
        optimisers.set_rate(args.lr * pose_training.learning_rate_decay(state.step, args.steps))
        rng = torch.Generator().manual_seed(args.seed * 2**32 + state.step)  # for latents and the gradient penalty
        for _ in range(args.critic_steps):
            batch = pose_training.batch(poses, style, args.batch, mirrored, state.rng)
            seen = [part.to(device) for part in batch]
            apart, penalty = pose_training.critic_step(pair, optimisers.critic, *seen, rng)
        off, kl = pose_training.generator_step(pair, optimisers.generator, *seen, rng)
        if (
            not (torch.isfinite(apart) and pose_training.all_finite(pair.generator))
            or abs(apart) > pose_training.RUNAWAY
        ):
            kept = f"{out} is the last good one" if out.exists() else "no good one was saved"
            raise UserError(f"step {state.step}: the critic ran away (real and made {apart:.3g} apart); "
                        f"{kept}, try a lower --lr")  # fmt: skip
        if (state.step + 1) % args.every and state.step + 1 < args.steps:
            continue
        made = pose_training.generate_poses(pair.average.module, told, args.seed)
        found = pose_training.score_poses(made, real)
        state.step += 1
        for name, value in found.items():
            board.add_scalar(f"val/{name}", value, state.step)
        board.add_scalar("train/apart", apart, state.step)
        board.add_scalar("train/penalty", penalty, state.step)
        pose_training.sheet(real[:12], made[:12], runs / f"step_{state.step:06d}.png", board, state.step)
        if better := state.note(found["FID"], pair.average.module):
            pose_training.save_poses(out, pair, **state.found(), arguments=hyperparameters, parents=parents)
        training_run.save_state(last, hyperparameters, parents, pair, optimisers, state)
        scores = ", ".join(f"{name} {value:.2f}" for name, value in found.items())
        log.info(
            "step %d: apart %.3f, penalty %.3f, off %.4f, KL %.1f; %s%s",
            state.step,
            apart,
            penalty,
            off,
            kl,
            scores,
            ", the best" * better,
        )
    board.close()
    training_run.save_state(last, hyperparameters, parents, pair, optimisers, state, done=True)
    log.info("%s: FID %.2f at step %d of %d (real poses of the train split: %.2f)",
             out, state.best, state.best_step, state.step, floor["FID"])  # fmt: skip


def arguments(argv: list[str] | None):
    """Parse the command line."""
    parser = cli.parser(__doc__, "seed", "device", "threads", "quiet")
    parser.set_defaults(threads=0)  # two threads are 1.5 times as fast as one, if both cores are idle
    parser.add_argument("datadir", metavar="DATADIR", nargs="?", help="folder of .npz files with poses")
    parser.add_argument("--datadir", metavar="DATADIR", dest="datadir_option", help="the same, as an option")
    parser.add_argument("--out", metavar="FILE", help="output file (models/pose_gan.pt beside DATADIR)")
    parser.add_argument("--resume", action="store_true", help="continue an interrupted run of the same command")
    number, share = cli.positive(int), cli.positive(float)
    group = parser.add_argument_group("networks")
    group.add_argument("--latent", type=number, default=32, help="size of a latent (%(default)s)")
    group.add_argument("--width", type=number, default=256, help="of hidden layers (%(default)s)")
    group.add_argument("--layers", type=number, default=3, help="hidden layers (%(default)s)")
    group = parser.add_argument_group("training")
    group.add_argument("--steps", type=number, default=20000, help="of the generator (%(default)s)")
    group.add_argument("--critic-steps", type=number, default=5, help="critic steps per generator step (%(default)s)")
    group.add_argument("--batch", type=number, default=256, help="poses per step (%(default)s)")
    group.add_argument("--lr", type=share, default=2e-4, help="learning rate (%(default)s)")
    group.add_argument(
        "--decay", type=cli.number_between(0, 1), default=0.999, help="of the moving average (%(default)s)"
    )
    group.add_argument("--no-mirror", action="store_true", help="do not train on mirrored copies of the poses")
    group.add_argument("--every", type=number, default=1000, help="steps between validations (%(default)s)")
    group.add_argument(
        "--resample-every",
        type=number,
        default=2000,
        help="steps after which poses are resampled, if not all fit into memory (%(default)s)",
    )
    args = parser.parse_args(argv)
    if bool(args.datadir) == bool(args.datadir_option):
        parser.error("give DATADIR once: train_pose.py DATADIR, or --datadir DATADIR")
    args.datadir = args.datadir or args.datadir_option
    return args


if __name__ == "__main__":
    cli.run(main)
