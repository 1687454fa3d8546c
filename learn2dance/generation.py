"""One interface to both kinds of trained model, music2pose and the GAN."""

from collections.abc import Callable, Sequence
from pathlib import Path

from learn2dance.cli import log
from learn2dance.data import checkpoint, npz
from learn2dance.data.data_root import DataRoot
from learn2dance.gan import generate as gan
from learn2dance.gan.generate import GanModel
from learn2dance.motion import travel
from learn2dance.music import styles
from learn2dance.music2pose import generate as music2pose
from learn2dance.music2pose import model as music2pose_model
from learn2dance.music2pose.model import Music2Pose

Model = Music2Pose | GanModel
VERSION = 4  # raised when the same model and options give another dance: existing ones are then stale


def load(path: Path, device: str = "cpu", root: DataRoot | None = None) -> Model:
    """Load a model; with a root, `check_codebook`."""
    builders = {"music2pose": music2pose_model.from_parts, "seq_gan": gan.from_parts}
    model = checkpoint.load_as(path, builders).to(device)
    if root:
        check_codebook(model, path, root)
    return model


def check_codebook(model: Model, path: Path, root: DataRoot) -> None:
    """Raise a UserError if a music2pose model, loaded from this path, was not trained on the codebook of the root."""
    clusters = root.path / "clusters.npz"
    if isinstance(model, Music2Pose) and clusters.exists():
        music2pose_model.check_codebook(model, path, clusters)


def dance(model: Model, music: dict | None, seed: int, style: str | None = None, **options) -> dict:
    """Generate a dance to music; return the arrays of a ``dance`` file. For the options, see `dance` of each model."""
    return (gan if isinstance(model, GanModel) else music2pose).dance(model, music, seed, style, **options)


def log_choice(name: str, music: dict | None, model: Model, style: str | None) -> None:
    """Log which style a song is danced in and how its beats are counted; for one not asked for, how to choose another.

    ``style`` is the one asked for, the song's label in clips.csv, or None. It is said if the model does not know it.
    """
    if music is not None and not getattr(model.config, "music", True):
        log.warning("%s: the model was trained without music, and does not follow it", name)
    elif music is not None and len(model.profiles.style):
        known = style in model.styles
        unknown = f"; the model does not know its style in clips.csv, {style}" if style and not known else ""
        hint = "" if known or len(model.styles) < 2 else "; --style NAME chooses another, --style list lists them"
        log.info("%s: %s%s%s", name, styles.choose(music, model.profiles, style), unknown, hint)


def write(target: Path, make: Callable[[], dict], how: dict, parents: dict[str, str]) -> None:
    """Write the dance that ``make()`` returns as a ``dance`` file, unless it is up to date.

    ``how`` are the options, and ``parents`` the digests of its inputs (`npz.save`).
    """
    how = how | {"version": VERSION}
    if not npz.is_up_to_date(target, "dance", how, parents):
        npz.save(target, "dance", "eval.py", how, parents, **make())


def show(dance: Path, files: Sequence[Path], sound: Path | None) -> None:
    """Write a ``dance`` file as videos (.mp4) and pages (.html) with its song, unless they are newer than it."""
    stale = [path for path in files if not path.exists() or path.stat().st_mtime < dance.stat().st_mtime]
    if not stale:
        return
    found = npz.load(dance, "dance")
    poses = travel.perspective(found["poses"], found["nearer"])
    for path in stale:
        if path.suffix == ".html":
            from learn2dance.render import player

            player.write(path, [poses], found["fps"], audio=sound, marks=[player.marks(found)], y_up=True)
        else:
            from learn2dance.render import animation

            animation.animate([poses], found["fps"], path, audio=sound, y_up=True)
