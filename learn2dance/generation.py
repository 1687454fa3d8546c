"""One interface to both kinds of trained model, music2pose and the GAN, for eval.py."""

from pathlib import Path

from learn2dance.cli import log
from learn2dance.data import checkpoint
from learn2dance.data.data_root import DataRoot
from learn2dance.errors import UserError
from learn2dance.gan import completion, pose_folder
from learn2dance.gan import generate as gan_generate
from learn2dance.gan.generate import GanModel
from learn2dance.music2pose import generate as music2pose_generate
from learn2dance.music2pose.model import Music2Pose, check_codebook, load_model


def load(model: Path, device: str, root: DataRoot | None) -> Music2Pose | GanModel:
    """Load a model. Raise a UserError if a music2pose model was not trained on the codebook of the root, if any."""
    if checkpoint.load(model, "music2pose", "seq_gan")["kind"] == "seq_gan":
        return gan_generate.load(model, device)
    dancer = load_model(model, device)
    if root and (root.path / "clusters.npz").exists():
        check_codebook(dancer, model, root.path / "clusters.npz")
    return dancer


def options(who: Music2Pose | GanModel, args) -> dict:
    """Return the generation options of this model, besides style and seed.

    Parameters
    ----------
    args : argparse.Namespace
        As parsed by eval.py.

    Raises
    ------
    UserError
        If an argument does not apply to this model.
    """
    if args.style and args.style not in who.styles:
        raise UserError(f"--style {args.style}: the model has learned {', '.join(who.styles) or 'no styles'}")
    if isinstance(who, GanModel):
        if args.prefix or args.top_k:
            raise UserError("--prefix, --top-k: music2pose's, the GAN has none of them; see --given")
        return {key: getattr(args, key) for key in ("known", "known_joints", "seconds", "temperature")}
    if args.given or args.seconds:
        raise UserError(
            "--given, --seconds: need a GAN (--model, train_seq.py makes it), this is music2pose; see --prefix"
        )
    return {key: getattr(args, key) for key in ("temperature", "top_k")}


def dance(who: Music2Pose | GanModel, heard: dict | None, seed: int, style: str | None, args) -> dict:
    """Generate a dance to music, or complete the given dance; return the arrays of a ``dance`` file."""
    if args.given:
        given = (args.given, args.known, args.known_joints)
        made = completion.complete(who, *given, heard, style, seed, args.seconds or 0.0)
        log.info("%s: what is given is met to %.1f%% of a torso's length", args.given, 100 * made.pop("off"))
        return made
    if isinstance(who, GanModel):
        return gan_generate.dance(who, heard, seed, style, args.seconds or 0.0, args.temperature)
    return music2pose_generate.dance(who, heard, seed, style, args.temperature, args.top_k, args.prefix)


def rivals(root: DataRoot, model: Path, who: Music2Pose | GanModel) -> dict:
    """Load the baseline (for a GAN music2pose, else the BiLSTM if any); return the model arguments of `report.make`."""
    path = root.path / "models" / "music2pose.pt" if isinstance(who, GanModel) else model.with_name("lstm.pt")
    if isinstance(who, GanModel):
        joints = who.poses.joints
        if joints not in (15, 25) or joints > (there := pose_folder.open_folder(root.path / "poses").joints):
            here = f"{joints} joints, those in {root.path / 'poses'} {there}" if joints == 25 else f"{joints} joints"
            raise UserError(f"{model}: its dances have {here}; --report judges bodies of 15 or 25 by no fewer joints")
        return {"dancer": load(path, "cpu", root), "gan": who}
    if not path.exists() or path == model:
        log.warning("%s: no baseline to judge beside; train.py --model lstm makes it", path)
        return {"dancer": who}
    return {"dancer": who, "lstm": load(path, "cpu", root)}
