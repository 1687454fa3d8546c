"""Train the pose GAN: a latent space of poses, and a generator of single poses in it.

Reads   DATADIR/*.npz, each with poses (T, J, 2), of any number of joints J: DATA/poses of a data root (then also its
        splits/, and clips.csv for the styles), or any folder of your own
Writes  models/pose_gan.pt beside DATADIR (--out): the latent space, and the generator's moving average, when it had
        the least FID on the val split
        models/pose_gan.last.pt           the state of training, for --resume
        models/runs/pose_gan/             TensorBoard, and pictures of real and generated poses: step_<n>.png

Example: python train_pose.py data/ballroom/poses
"""

from functools import partial

from learn2dance import cli
from learn2dance.cli import log


def main(argv: list[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    cli.setup(args.quiet, args.threads)
    import numpy as np
    import torch

    from learn2dance import threads
    from learn2dance.data.training_run import TrainingRun
    from learn2dance.gan import adversarial, pose_folder, pose_space, pose_training
    from learn2dance.gan.pose_networks import PoseConfig, PoseCritic, PoseGenerator

    device = cli.device(args.device)
    folder = pose_folder.open_folder(args.datadir)
    run = TrainingRun("pose_gan", args.out or folder.models / "pose_gan.pt", args, folder.parents())
    if run.is_up_to_date():
        return

    torch.manual_seed(args.seed)
    train = pose_folder.Resampled(partial(pose_folder.pool, folder, folder.train), args.seed, args.resample_every)
    val, _ = pose_folder.pool(folder, folder.val, np.random.default_rng([args.seed, 1]))
    mirrored = folder.mirrored(args.no_mirror)
    space = pose_space.fit(train.data[0], bool(mirrored)).to(device)
    config = PoseConfig(folder.joints, folder.names(), space.latent, args.width, args.layers)
    gan = adversarial.DenoisingGan(PoseGenerator(config), PoseCritic(config), args.decay).to(device)
    optimisers = adversarial.Optimisers(gan)
    run.begin(gan, optimisers)
    real, style, floor = pose_training.validation_poses(train.data[0], *val, args.seed)
    log.info("%d poses of %d joints for training%s, %d for validation, on %s", len(train.data[0]), folder.joints,
             "" if train.everything else " at a time", len(val[0]), device)  # fmt: skip
    log.info("codes have %d values, and reproduce the joints of validation poses within %.2g", space.latent,
             pose_space.error(space, real))  # fmt: skip
    log.info("training poses: FID %.2f", floor)

    gap = norm = torch.zeros(())
    for step in run.steps():
        if args.threads == 0 and step % 50 == 0:
            threads.limit(0)  # the number of idle cores changes
        train.advance(step)
        weight = args.critic_weight if step >= args.pretrain_steps else 0.0
        optimisers.begin_step(adversarial.learning_rate(step, args.steps, args.pretrain_steps, args.lr), bool(weight))
        rng = torch.Generator().manual_seed(args.seed * 2**32 + step)  # for noise and times
        batch = pose_training.draw(space, *train.data, args.batch, mirrored, run.rng, device)
        if weight:
            gap, norm = adversarial.critic_step(gan, optimisers.critic, batch, args.penalty, rng)
        error = adversarial.generator_step(gan, optimisers.generator, batch, weight, rng)
        if adversarial.has_diverged(gap, error):
            run.diverged(f"critic score gap {gap:.3g}, denoising loss {error:.3g}")
        if run.is_validation_step():
            fake = pose_training.generate_poses(space, gan.average.module, style, args.seed)
            scores = pose_training.score_poses(fake, real)
            figure = pose_training.plot_comparison(real[:12], fake[:12], run.folder / f"step_{run.step:06d}.png")
            run.board.add_figure("poses", figure, run.step)
            losses = {"denoising loss": error, "critic gap": gap, "gradient norm²": norm}
            save = partial(pose_training.save_poses, space=space, generator=gan.average.module)
            run.validated(scores["FID"], save, scores, losses)
    run.finish("FID")
    log.info("next: python train_seq.py %s --pose-gan %s", args.datadir, run.out)


def arguments(argv: list[str] | None):
    """Parse the command line."""
    parser = cli.parser(__doc__, "datadir", "resume", "seed", "device", "threads", "quiet")
    parser.set_defaults(threads=0)  # two threads are 1.5 times as fast as one, if both cores are idle
    parser.add_argument("--out", metavar="FILE", help="output file (models/pose_gan.pt beside DATADIR)")
    number = cli.positive(int)
    group = parser.add_argument_group("networks")
    group.add_argument("--width", type=number, default=384, help="of hidden layers (%(default)s)")
    group.add_argument("--layers", type=number, default=3, help="hidden layers (%(default)s)")
    group = parser.add_argument_group("training")
    group.add_argument("--steps", type=number, default=34000, help="of the generator (%(default)s)")
    hint = "first steps, in which the generator trains without the critic (%(default)s)"
    group.add_argument("--pretrain-steps", type=cli.whole_number, default=30000, help=hint)
    group.add_argument("--batch", type=number, default=256, help="poses per step (%(default)s)")
    hint = "learning rate in pretraining, of which a fifth remains later (%(default)s)"
    group.add_argument("--lr", type=cli.positive(float), default=1e-3, help=hint)
    hint = "loss weight of the critic's score (%(default)s)"
    group.add_argument("--critic-weight", type=cli.positive(float), default=0.1, help=hint)
    hint = "weight of the critic's gradient penalties (%(default)s)"
    group.add_argument("--penalty", type=cli.positive(float), default=0.1, help=hint)
    fraction = cli.number_between(0, 1)
    group.add_argument("--decay", type=fraction, default=0.999, help="of the moving average (%(default)s)")
    group.add_argument("--no-mirror", action="store_true", help="do not train on mirrored copies of the poses")
    group.add_argument("--every", type=number, default=1000, help="steps between validations (%(default)s)")
    hint = "steps between new samples of the poses, if not all fit into memory (%(default)s)"
    group.add_argument("--resample-every", type=number, default=2000, help=hint)
    return parser.parse_args(argv)


if __name__ == "__main__":
    cli.run(main)
