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

from learn2dance import cli, distributed
from learn2dance.cli import log
from learn2dance.gan import options


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

    from learn2dance.data.training_run import TrainingRun
    from learn2dance.gan import adversarial, pose_folder, pose_space, pose_training
    from learn2dance.gan.pose_networks import PoseConfig, PoseCritic, PoseGenerator

    folder = pose_folder.open_folder(args.datadir)
    run = TrainingRun("pose_gan", args.out or folder.models / "pose_gan.pt", args, folder.parents(), processes)
    if run.is_up_to_date():
        return

    torch.manual_seed(args.seed)
    train = pose_folder.Resampled(partial(pose_folder.pool, folder, folder.train), args.seed, args.resample_every)
    val, _ = pose_folder.pool(folder, folder.val, np.random.default_rng([args.seed, 1]))
    mirrored = folder.mirrored(args.no_mirror)
    space = pose_space.fit(train.data[0], bool(mirrored)).to(processes.device)
    config = PoseConfig(folder.joints, folder.names(), space.latent, args.width, args.layers)
    gan = adversarial.DenoisingGan(PoseGenerator(config), PoseCritic(config), args.decay).to(processes.device)
    training = adversarial.Training(gan, args, processes)
    run.begin(gan, training.optimisers)
    real, style, floor = pose_training.validation_poses(train.data[0], *val, args.seed)
    log.info("%d poses of %d joints for training%s, %d for validation, on %s", len(train.data[0]), folder.joints,
             "" if train.everything else " at a time", len(val[0]), processes)  # fmt: skip
    log.info("codes have %d values, and reproduce the joints of validation poses within %.2g", space.latent,
             pose_space.error(space, real))  # fmt: skip
    log.info("training poses: FID %.2f", floor)

    for step in run.steps():
        train.advance(step)
        draw = partial(pose_training.draw, space, *train.data, args.batch, mirrored, run.rng, processes.device)
        losses = training.step(step, draw)
        if problem := adversarial.divergence(losses):
            run.diverged(problem)
        if run.is_validation_step():
            fake = pose_training.generate_poses(space, gan.average.module, style, args.seed)
            scores = pose_training.score_poses(fake, real)
            if processes.is_main:
                figure = pose_training.plot_comparison(real[:12], fake[:12], run.folder / f"step_{run.step:06d}.png")
                run.add_figure("poses", figure)
            save = partial(pose_training.save_poses, space=space, generator=gan.average.module)
            run.validated(scores["FID"], save, scores, losses)
    run.finish("FID")
    log.info("next: python train_seq.py %s --pose-gan %s", args.datadir, run.out)


def arguments(argv: list[str] | None):
    """Parse the command line."""
    parser = cli.parser(__doc__, "datadir", "resume", "accumulate", "seed", "device", "threads", "quiet")
    parser.set_defaults(threads=0)  # two threads are 1.5 times as fast as one, if both cores are idle
    parser.add_argument("--out", metavar="FILE", help="output file (models/pose_gan.pt beside DATADIR)")
    number = cli.positive(int)
    group = parser.add_argument_group("networks")
    group.add_argument("--width", type=number, default=384, help="of hidden layers (%(default)s)")
    group.add_argument("--layers", type=number, default=3, help="hidden layers (%(default)s)")
    options.add_training(parser, "pose")
    parser.set_defaults(steps=34000, pretrain_steps=30000, batch=256, critic_weight=0.1, penalty=0.1)
    parser.set_defaults(every=1000, resample_every=2000)
    return parser.parse_args(argv)


if __name__ == "__main__":
    cli.run(main)
