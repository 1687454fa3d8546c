"""One interface to both kinds of trained model, music2pose and the GAN."""

from pathlib import Path

from learn2dance.data import checkpoint
from learn2dance.data.data_root import DataRoot
from learn2dance.gan import generate as gan
from learn2dance.gan.generate import GanModel
from learn2dance.music2pose import generate as music2pose
from learn2dance.music2pose import model as music2pose_model
from learn2dance.music2pose.model import Music2Pose

Model = Music2Pose | GanModel
VERSION = 4  # raised when the same model and options give another dance: existing ones are then stale


def load(path: Path, device: str = "cpu", root: DataRoot | None = None) -> Model:
    """Load a model; raise a UserError if a music2pose model was not trained on the codebook of the root, if any."""
    builders = {"music2pose": music2pose_model.from_parts, "seq_gan": gan.from_parts}
    model = checkpoint.load_as(path, builders).to(device)
    if root and isinstance(model, Music2Pose) and (root.path / "clusters.npz").exists():
        music2pose_model.check_codebook(model, path, root.path / "clusters.npz")
    return model


def dance(model: Model, music: dict | None, seed: int, style: str | None = None, **options) -> dict:
    """Generate a dance to music; return the arrays of a ``dance`` file. For the options, see `dance` of each model."""
    return (gan if isinstance(model, GanModel) else music2pose).dance(model, music, seed, style, **options)
