"""A minute of dance: the features of the music, and dances to it by either model."""

from functools import partial
from pathlib import Path

from benchmarks import inputs
from benchmarks.row import Row

from learn2dance.gan import generate as gan_generate
from learn2dance.music import features
from learn2dance.music2pose import generate, model


def rows(work: Path, data: Path | None) -> list[Row]:
    """Return the rows of the published models, which are loaded already; the first dance also prepares units."""
    sound = inputs.minute(work, data)
    music, count = features.features(sound), (60, "s of dance")
    music2pose = model.load_model(inputs.ROOT / "weights" / "music2pose.pt")
    gan = gan_generate.load(inputs.ROOT / "weights" / "seq_gan.pt")
    generate.dance(music2pose, music, 0)

    def both() -> None:
        generate.dance(music2pose, features.features(sound), 0)

    return [
        Row("a minute of dance", "features, music2pose", "ours", both, *count),
        Row("a minute of dance", "features", "ours", partial(features.features, sound), *count),
        Row("a minute of dance", "music2pose", "ours", partial(generate.dance, music2pose, music, 0), *count),
        Row("a minute of dance", "GAN", "ours", partial(gan_generate.dance, gan, music, 0), *count),
    ]
