"""Train the sequence GAN: dances as paths through the pose GAN's latent space, conditioned on music if there is any.

Reads   DATADIR/*.npz, each with poses (T, J, 2): DATA/poses of a data root, or any folder of your own; the pose GAN
        trained on it (--pose-gan); DATA/music/<clip>.npz, DATA/splits/ and DATA/clips.csv if DATADIR is DATA/poses
Writes  models/seq_gan.pt beside DATADIR (--out): the generator's moving average, when it had the least FID on the val
        split, and all else that generation needs, such as the pose generator
        models/seq_gan.last.pt            the state of training, for --resume
        models/runs/seq_gan/              TensorBoard, and videos of a real and a generated dance: step_<n>.mp4

Example: python train_seq.py data/ballroom/poses
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

    from learn2dance.data import npz, training_run
    from learn2dance.gan import dataset, generate, pose_folder, pose_training, sampler, sequence_training
    from learn2dance.gan.sequence_networks import SequenceConfig
    from learn2dance.motion import skeleton

    device = cli.device(args.device)
    folder = pose_folder.open_folder(args.datadir)
    models = folder.path.resolve().parent / "models"
    pose_gan, out = Path(args.pose_gan or models / "pose_gan.pt"), Path(args.out or models / "seq_gan.pt")
    last = out.with_name(f"{out.name.removesuffix('.pt')}.last.pt")
    pose_generator, encoder = pose_training.load_poses(pose_gan, device)
    if pose_generator.config.joints != folder.joints or pose_generator.config.styles != folder.names():
        made, there = (f"{c} joints, styles {', '.join(styles) or 'none'}" for c, styles in (
            (pose_generator.config.joints, pose_generator.config.styles), (folder.joints, folder.names())))  # fmt: skip
        raise UserError(f"{pose_gan}: was trained on {made}, {folder.path} has {there}; run train_pose.py on it")
    outside = ("datadir", "datadir_option", "out", "resume", "device", "threads", "quiet", "pose_gan", "no_video")
    hyperparameters = {key: value for key, value in vars(args).items() if key not in outside}
    reader = dataset.DanceReader(folder, args.fps)
    parents = {"poses": folder.digest(), "train": folder.train, "val": folder.val, "styles": list(folder.names()),
               "pose_gan": npz.digest(pose_gan), "music": reader.digest()}  # fmt: skip
    if training_run.is_up_to_date(out, last, hyperparameters, parents, "seq_gan"):
        log.info("%s: fresh", out)
        return

    torch.manual_seed(args.seed)
    config = SequenceConfig(
        music=reader.heard,
        fps=args.fps,
        steps=args.sequence,
        noise=args.noise,
        width=args.width,
        channels=args.channels,
    )
    mirrored = pose_generator.config.style_count if folder.joints in skeleton.JOINTS and not args.no_mirror else 0
    learned, everything = dataset.read_pool(reader, folder.train, np.random.default_rng([args.seed, 0]))
    drawer = sampler.SequenceSampler(learned, config, mirrored)
    judged = dataset.read_pool(reader, folder.val, np.random.default_rng([args.seed, 1]), dataset.SCORED_BYTES)[0]
    pair = sequence_training.SequenceGan(config, pose_generator, encoder, args.decay, args.batch)
    pair.fit(learned)
    pair.to(device)
    optimisers = pose_training.Optimisers(pair, args.lr, momentum=0.5)
    state = training_run.TrainingState(rng=training_run.batch_generator(args.seed), kind="seq_gan")
    if args.resume and last.exists():
        training_run.resume(last, hyperparameters, parents, pair, optimisers, state)
    real = [take.poses for take in judged]
    floor = sequence_training.score_dances(
        [take.poses for take in learned[:: max(1, len(learned) // len(real))]], real, args.fps
    )
    log.info("%d dances to learn from%s, %d to judge by, %s; %s of those to these; on %s", len(learned),
             "" if everything else " at a time", len(judged), "with music" if reader.music_pca else "without music",
             said(floor), device)  # fmt: skip

    apart = penalty = torch.zeros(())
    renewed = 0  # times that dances were resampled
    runs = out.parent / "runs" / out.stem
    board = SummaryWriter(str(runs), purge_step=state.step)
    bar = cli.progress(range(state.step, args.steps), "train", args.steps - state.step)
    for state.step in bar:
        if not everything and (renewed != state.step // args.resample_every):
            renewed = state.step // args.resample_every
            learned, _ = dataset.read_pool(reader, folder.train, np.random.default_rng([args.seed, 2, renewed]))
            drawer = sampler.SequenceSampler(learned, config, mirrored)
            if state.step % args.resample_every == 0:  # else a resumed run: its rollouts are of these dances
                pair.paths.restart()
        judging = state.step >= args.pretrain_steps
        if state.step == args.pretrain_steps:
            pair.paths.restart()  # pretraining does not update the state of the rollouts
        optimisers.set_rate(
            args.lr
            * (
                pose_training.learning_rate_decay(state.step, args.steps)
                if judging
                else sequence_training.PRETRAINING_RATE
            )
        )
        rng = torch.Generator().manual_seed(args.seed * 2**32 + state.step)  # for noise and the gradient penalty
        for _ in range(args.critic_steps if judging else 0):
            where = drawer.advance(pair.paths, state.rng, device)
            apart, penalty = sequence_training.critic_step(pair, optimisers.critic, where, rng)
        where = drawer.advance(pair.paths, state.rng, device)
        sequence_training.generator_step(pair, optimisers.generator, where, rng, judging)
        if (
            not (torch.isfinite(apart) and pose_training.all_finite(pair.generator))
            or abs(apart) > sequence_training.RUNAWAY
        ):
            kept = f"{out} is the last good one" if out.exists() else "no good one was saved"
            raise UserError(f"step {state.step}: training ran away (the critic holds real and made {apart:.3g} apart); "
                        f"{kept}, try a lower --lr")  # fmt: skip
        if (state.step + 1) % args.every and state.step + 1 < args.steps:
            continue
        dancer = sequence_training.trained_model(pair, reader, learned)
        made = [generate.generate_steps(dancer, take.music, take.style, args.seed) for take in judged]
        found = sequence_training.score_dances(made, real, args.fps) | reader.lock(judged, made)
        state.step += 1
        for name, value in found.items():
            board.add_scalar(f"val/{name}", value, state.step)
        board.add_scalar("train/apart", apart, state.step)
        board.add_scalar("train/penalty", penalty, state.step)
        if better := state.note(found["FID"], pair.average.module):
            generate.save(out, dancer, **state.found(), arguments=hyperparameters, parents=parents)
        if not args.no_video:
            sequence_training.render_comparison(real[0], made[0], args.fps, runs / f"step_{state.step:06d}.mp4")
        training_run.save_state(last, hyperparameters, parents, pair, optimisers, state)
        log.info(
            "step %d: apart %.2f, penalty %.3f; %s%s", state.step, apart, penalty, said(found), ", the best" * better
        )
    board.close()
    training_run.save_state(last, hyperparameters, parents, pair, optimisers, state, done=True)
    log.info("%s: FID %.1f at step %d of %d; next: python eval.py --model %s --audio song.mp3",
             out, state.best, state.best_step, state.step, out)  # fmt: skip


def said(found: dict[str, float]) -> str:
    """Format scores as one line."""
    return ", ".join(f"{name} {value:.2f}" for name, value in found.items())


def arguments(argv: list[str] | None):
    """Parse the command line."""
    parser = cli.parser(__doc__, "seed", "device", "threads", "quiet")
    parser.add_argument("datadir", metavar="DATADIR", nargs="?", help="folder of .npz files with poses")
    parser.add_argument("--datadir", metavar="DATADIR", dest="datadir_option", help="the same, as an option")
    parser.add_argument("--pose-gan", metavar="FILE", help="from train_pose.py (models/pose_gan.pt beside DATADIR)")
    parser.add_argument("--out", metavar="FILE", help="output file (models/seq_gan.pt beside DATADIR)")
    parser.add_argument("--resume", action="store_true", help="continue an interrupted run of the same command")
    number, share = cli.positive(int), cli.positive(float)
    group = parser.add_argument_group("sequences")
    group.add_argument("--sequence", type=number, default=50, help="steps per sequence (%(default)s)")
    group.add_argument("--fps", type=cli.number_between(12.5, 240), default=15.0, help="steps per second (%(default)s)")
    group = parser.add_argument_group("networks")
    group.add_argument("--noise", type=number, default=16, help="size of a noise vector (%(default)s)")
    group.add_argument("--width", type=number, default=192, help="of the generator (%(default)s)")
    group.add_argument("--channels", type=number, default=96, help="of the critics (%(default)s)")
    group = parser.add_argument_group("training")
    group.add_argument("--steps", type=number, default=3000, help="of the generator (%(default)s)")
    group.add_argument(
        "--pretrain-steps", type=cli.whole_number, default=300, help="first of these, without critics (%(default)s)"
    )
    group.add_argument("--critic-steps", type=number, default=2, help="critic steps per generator step (%(default)s)")
    group.add_argument("--batch", type=number, default=48, help="sequences per step (%(default)s)")
    group.add_argument("--lr", type=share, default=2e-4, help="learning rate (%(default)s)")
    group.add_argument(
        "--decay", type=cli.number_between(0, 1), default=0.99, help="of the moving average (%(default)s)"
    )
    group.add_argument("--no-mirror", action="store_true", help="do not train on mirrored copies of the dances")
    group.add_argument("--every", type=number, default=100, help="steps between validations (%(default)s)")
    group.add_argument("--no-video", action="store_true", help="write no videos of real and generated dances")
    group.add_argument(
        "--resample-every",
        type=number,
        default=500,
        help="steps after which dances are resampled, if not all fit into memory (%(default)s)",
    )
    args = parser.parse_args(argv)
    if bool(args.datadir) == bool(args.datadir_option):
        parser.error("give DATADIR once: train_seq.py DATADIR, or --datadir DATADIR")
    if args.sequence < 2:
        parser.error("--sequence: the critic judges motion, which takes two steps or more")
    args.datadir = args.datadir or args.datadir_option
    return args


if __name__ == "__main__":
    cli.run(main)
