"""How long a minute of dance takes: music features, dancing, both, and dancing by the GAN; and the first dance.

The first dance with a model also prepares its units.

Example: python tests/bench_dance.py [MODEL.pt [SONG]]
"""

import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from learn2dance.gan import generate as gan_generate
from learn2dance.media import audio
from learn2dance.music import features
from learn2dance.music2pose import generate as music2pose_generate
from learn2dance.music2pose.model import load_model


def main(argv: list[str]) -> None:
    """Dance to a minute of music and print the times."""
    model = Path(argv[0]) if argv else ROOT / "weights" / "music2pose.pt"
    dancer, gan = load_model(model), gan_generate.load(ROOT / "weights" / "seq_gan.pt")
    sound = audio.load(argv[1]) if len(argv) > 1 else clicks()
    sound = np.resize(sound, 60 * features.SR)  # a minute: repeated, or cut short
    heard = features.features(sound)
    start = time.perf_counter()
    music2pose_generate.dance(dancer, heard, 0)
    first = time.perf_counter() - start
    rows = {"features": [], "dance": [], "GAN": []}
    for seed in range(5):
        start = time.perf_counter()
        heard = features.features(sound)
        middle = time.perf_counter()
        dance = music2pose_generate.dance(dancer, heard, seed)
        end = time.perf_counter()
        rows["features"].append(middle - start)
        rows["dance"].append(end - middle)
        gan_generate.dance(gan, heard, seed)
        rows["GAN"].append(time.perf_counter() - end)
    rows["both"] = [a + b for a, b in zip(rows["features"], rows["dance"], strict=True)]
    print(f"{len(dance['tokens'])} beats in 60 s of music, median of 5; {model.name}; first dance {first:.2f} s")
    for name, times in rows.items():
        print(f"{name:>8} {np.median(times):6.2f} s  {60 / np.median(times):6.1f} x real time")


def clicks() -> np.ndarray:
    """Return ten seconds of clicks at 120 BPM over noise."""
    rng = np.random.default_rng(0)
    sound = rng.normal(0, 0.01, 10 * features.SR).astype(np.float32)
    for beat in range(20):
        at = beat * features.SR // 2
        sound[at : at + 1000] += np.exp(-np.arange(1000) / 150) * np.sin(np.arange(1000) * 0.3)
    return sound


if __name__ == "__main__":
    main(sys.argv[1:])
