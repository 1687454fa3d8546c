"""Train the sequence GAN: dances as paths through the pose GAN's latent space, conditioned on music if there is any.

Reads   DATADIR/*.npz, each with poses (T, J, 2): DATA/poses of a data root, or any folder of your own; the pose GAN
        trained on it (--pose-gan); if DATADIR is DATA/poses also DATA/splits/, DATA/clips.csv and, for 15 or 25 joints,
        DATA/music/<clip>.npz
Writes  models/seq_gan.pt beside DATADIR (--out): the generator's moving average, when it had the least FID on the val
        split, and all else that generation needs, such as the pose generator and how
        dancers travel over the floor (learn2dance/motion/travel_model.py)
        models/seq_gan.last.pt            the state of training, for --resume
        models/runs/seq_gan/              TensorBoard, and pictures and videos of a real and a generated dance:
                                          step_<n>.png, step_<n>.mp4

Example: python train_seq.py data/ballroom/poses
"""

from functools import partial
from pathlib import Path

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
    from learn2dance.gan import adversarial, dataset, generate, pose_folder, sampler, sequence_training
    from learn2dance.gan.sequence_networks import NOISE, SequenceConfig, SequenceCritic, SequenceGenerator
    from learn2dance.music.features import FPS

    folder = pose_folder.open_folder(args.datadir)
    pose_gan = Path(args.pose_gan or folder.models / "pose_gan.pt")
    space, poses = sequence_training.load_pose_gan(pose_gan, folder, processes.device)
    reader = dataset.DanceReader(folder)
    run = TrainingRun("seq_gan", args.out or folder.models / "seq_gan.pt", args, reader.parents(pose_gan), processes)
    if run.is_up_to_date():
        return

    torch.manual_seed(args.seed)
    mirrored = folder.mirrored(args.no_mirror)
    train = pose_folder.Resampled(partial(dataset.read_pool, reader, folder.train), args.seed, args.resample_every)
    val, _ = dataset.read_pool(reader, folder.val, np.random.default_rng([args.seed, 1]), dataset.SCORED_BYTES)
    batches = sampler.SequenceSampler(train.data, args.beats, mirrored)
    if left := len(train.data) - len(batches.dances):
        log.warning("%d dances have less than %g beats with all joints, and are left out", left, args.beats / 2)
    config = SequenceConfig(reader.music, args.beats, args.width, args.channels)
    networks = SequenceGenerator(config, poses.config), SequenceCritic(config, poses.config)
    gan = adversarial.DenoisingGan(*networks, args.decay, NOISE).to(processes.device)
    training = adversarial.Training(gan, args, processes)
    run.begin(gan, training.optimisers)
    model = sequence_training.ModelBuilder(space, poses, reader.profiles, train.data)
    log.info("%d dances for training%s, %d for validation, with%s music, on %s", len(train.data),
             "" if train.everything else " at a time", len(val), "" if reader.music else "out", processes)  # fmt: skip
    known = sum(bool(np.isfinite(dance.path).any()) for dance in train.data)
    log.info("the path over the floor is known in %d of %d training dances", known, len(train.data))
    log.info("training dances: %s", sequence_training.score_training_dances(train.data, val))

    for step in run.steps():
        if train.advance(step):
            batches = sampler.SequenceSampler(train.data, args.beats, mirrored)
        losses = training.step(step, partial(batches.draw, args.batch, space, run.rng, processes.device))
        if problem := adversarial.divergence(losses):
            run.diverged(problem)
        if run.is_validation_step():
            trained = model(config, gan.average.module)
            fake = sequence_training.generate_dances(trained, val, args.seed)
            scores = sequence_training.score_dances([(dance, FPS) for dance in fake], val)
            scores |= sequence_training.bar_locking(val, fake)
            shown = sequence_training.first_seconds(val[0], fake[0])
            if processes.is_main:
                figure = sequence_training.plot_comparison(*shown, run.folder / f"step_{run.step:06d}.png")
                run.add_figure("dances", figure)
            if processes.is_main and not args.no_video:
                sequence_training.render_comparison(*shown, run.folder / f"step_{run.step:06d}.mp4")
            run.validated(scores["FID"], partial(generate.save, gan=trained), scores, losses)
    run.finish("FID")
    log.info("next: python eval.py --model %s %s", run.out, "--audio song.mp3" if reader.music else "--seconds 20")


def arguments(argv: list[str] | None):
    """Parse the command line."""
    parser = cli.parser(__doc__, "datadir", "resume", "accumulate", "seed", "device", "threads", "quiet")
    parser.set_defaults(threads=0)
    parser.add_argument("--pose-gan", metavar="FILE", help="from train_pose.py (models/pose_gan.pt beside DATADIR)")
    parser.add_argument("--out", metavar="FILE", help="output file (models/seq_gan.pt beside DATADIR)")
    number = cli.positive(int)
    group = parser.add_argument_group("networks")
    group.add_argument("--width", type=cli.multiple_of(32), default=128, help="of the generator (%(default)s)")
    group.add_argument("--channels", type=number, default=96, help="of the critic (%(default)s)")
    group = options.add_training(parser, "sequence")
    group.add_argument("--beats", type=number, default=16, help="beats per sequence (%(default)s)")
    group.add_argument("--no-video", action="store_true", help="write no videos of real and generated dances")
    parser.set_defaults(steps=10500, pretrain_steps=9000, batch=64, critic_weight=0.5, penalty=10.0)
    parser.set_defaults(every=500, resample_every=500)
    args = parser.parse_args(argv)
    if args.beats < 4:
        parser.error("--beats: the critic needs four or more, since it scores bars")
    return args


if __name__ == "__main__":
    cli.run(main)
