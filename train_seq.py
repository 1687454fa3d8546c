"""Train the sequence GAN: dances as paths through the pose GAN's latent space, conditioned on music if there is any.

Reads   DATADIR/*.npz, each with poses (T, J, 2): DATA/poses of a data root, or any folder of your own; the pose GAN
        trained on it (--pose-gan); if DATADIR is DATA/poses also DATA/splits/, DATA/clips.csv and, for 15 or 25 joints,
        DATA/music/<clip>.npz
Writes  models/seq_gan.pt beside DATADIR (--out): the generator's moving average, when it had the least FID on the val
        split, and all else that generation needs, such as the pose generator and how
        dancers travel over the floor (learn2dance/motion/travel_model.py)
        models/seq_gan.last.pt            the state of training, for --resume
        models/runs/seq_gan/              TensorBoard, and videos of a real and a generated dance: step_<n>.mp4

Example: python train_seq.py data/ballroom/poses
"""

from functools import partial
from pathlib import Path

from learn2dance import cli
from learn2dance.cli import log


def main(argv: list[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    cli.setup(args.quiet, args.threads)
    import numpy as np
    import torch

    from learn2dance.data.training_run import TrainingRun
    from learn2dance.gan import dataset, generate, pose_folder, pose_training, sampler, sequence_training

    device = cli.device(args.device)
    folder = pose_folder.open_folder(args.datadir)
    pose_gan = Path(args.pose_gan or folder.models / "pose_gan.pt")
    pose_generator, encoder = sequence_training.load_pose_gan(pose_gan, folder, device)
    reader = dataset.DanceReader(folder, args.fps)
    run = TrainingRun("seq_gan", args.out or folder.models / "seq_gan.pt", args, reader.parents(pose_gan))
    if run.is_up_to_date():
        return

    torch.manual_seed(args.seed)
    train = pose_folder.Resampled(partial(dataset.read_pool, reader, folder.train), args.seed, args.resample_every)
    val, _ = dataset.read_pool(reader, folder.val, np.random.default_rng([args.seed, 1]), dataset.SCORED_BYTES)
    config = sequence_training.new_config(reader, args)
    batches = sampler.SequenceSampler(train.data, config, folder.mirrored(args.no_mirror))
    gan = sequence_training.SequenceGan(config, pose_generator, encoder, args.decay, args.batch)
    gan.fit(train.data).to(device)
    optimisers = pose_training.Optimisers(gan, args.lr, momentum=0.5)
    run.begin(gan, optimisers)
    real = [dance.poses for dance in val]
    log.info("%d dances for training%s, %d for validation, with%s music, on %s", len(train.data),
             "" if train.everything else " at a time", len(val), "" if reader.music_pca else "out", device)  # fmt: skip
    known = sum(bool(np.isfinite(dance.path).any()) for dance in train.data)
    log.info("the path over the floor is known in %d of %d training dances", known, len(train.data))
    log.info("training dances: %s", sequence_training.score_training_dances(train.data, real, args.fps))
    gap = penalty = torch.zeros(())
    for step in run.steps():
        resampled, adversarial = train.advance(step), step >= args.pretrain_steps
        if resampled:
            batches = sampler.SequenceSampler(train.data, config, folder.mirrored(args.no_mirror))
        # Rollouts restart after pretraining, and with new dances; a resumed run has them in its saved state.
        if step == args.pretrain_steps or (resampled and step % args.resample_every == 0):
            gan.paths.restart()
        optimisers.set_rate(args.lr * sequence_training.learning_rate(step, args.steps, args.pretrain_steps))
        rng = torch.Generator().manual_seed(args.seed * 2**32 + step)  # for noise and the gradient penalty
        for _ in range(args.critic_steps if adversarial else 0):
            batch = batches.advance(gan.paths, run.rng, device)
            gap, penalty = sequence_training.critic_step(gan, optimisers.critic, batch, rng)
        batch = batches.advance(gan.paths, run.rng, device)
        sequence_training.generator_step(gan, optimisers.generator, batch, rng, adversarial)
        if pose_training.has_diverged(gap, gan.generator):
            run.diverged(f"critic score gap {gap:.3g}")
        if run.is_validation_step():
            model = sequence_training.trained_model(gan, reader, train.data)
            fake = [generate.generate_steps(model, dance.music, dance.style, args.seed) for dance in val]
            scores = sequence_training.score_dances(fake, real, args.fps) | reader.bar_locking(val, fake)
            if not args.no_video:
                sequence_training.render_comparison(real[0], fake[0], args.fps, run.folder / f"step_{run.step:06d}.mp4")
            losses = {"critic gap": gap, "gradient penalty": penalty}
            run.validated(scores["FID"], partial(generate.save, gan=model), scores, losses)
    run.finish("FID")
    log.info("next: python eval.py --model %s --audio song.mp3", run.out)


def arguments(argv: list[str] | None):
    """Parse the command line."""
    parser = cli.parser(__doc__, "datadir", "resume", "seed", "device", "threads", "quiet")
    parser.add_argument("--pose-gan", metavar="FILE", help="from train_pose.py (models/pose_gan.pt beside DATADIR)")
    parser.add_argument("--out", metavar="FILE", help="output file (models/seq_gan.pt beside DATADIR)")
    number = cli.positive(int)
    group = parser.add_argument_group("sequences")
    group.add_argument("--sequence", type=number, default=50, help="steps per sequence (%(default)s)")
    group.add_argument("--fps", type=cli.number_between(12.5, 240), default=15.0, help="steps per second (%(default)s)")
    group = parser.add_argument_group("networks")
    group.add_argument("--noise", type=number, default=16, help="size of a noise vector (%(default)s)")
    group.add_argument("--width", type=number, default=192, help="of the generator (%(default)s)")
    group.add_argument("--channels", type=number, default=96, help="of the critics (%(default)s)")
    group = parser.add_argument_group("training")
    group.add_argument("--steps", type=number, default=3000, help="of the generator (%(default)s)")
    hint = "first steps, in which the generator trains without critics (%(default)s)"
    group.add_argument("--pretrain-steps", type=cli.whole_number, default=300, help=hint)
    group.add_argument("--critic-steps", type=number, default=2, help="critic steps per generator step (%(default)s)")
    group.add_argument("--batch", type=number, default=48, help="sequences per step (%(default)s)")
    group.add_argument("--lr", type=cli.positive(float), default=2e-4, help="learning rate (%(default)s)")
    fraction = cli.number_between(0, 1)
    group.add_argument("--decay", type=fraction, default=0.99, help="of the moving average (%(default)s)")
    group.add_argument("--no-mirror", action="store_true", help="do not train on mirrored copies of the dances")
    group.add_argument("--every", type=number, default=100, help="steps between validations (%(default)s)")
    group.add_argument("--no-video", action="store_true", help="write no videos of real and generated dances")
    hint = "steps between new samples of the dances, if not all fit into memory (%(default)s)"
    group.add_argument("--resample-every", type=number, default=500, help=hint)
    args = parser.parse_args(argv)
    if args.sequence < 2:
        parser.error("--sequence: the critic needs two steps or more, since it scores motion")
    return args


if __name__ == "__main__":
    cli.run(main)
