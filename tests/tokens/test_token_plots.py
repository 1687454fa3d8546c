"""The plots of clips, of which only a part was seen."""

import numpy as np
import pytest

from learn2dance.data import data_root, npz
from learn2dance.tokens import plots, tokenize


@pytest.fixture
def partly(root):
    """Return a root, and two of its clips: one never seen, and one not seen in its middle, where windows are lost."""
    names = sorted(path.stem for path in (root / "tokens").glob("*.npz"))[:2]
    for name, lost in zip(names, (slice(None), slice(60, 160)), strict=True):
        for kind in ("poses", "tokens"):
            arrays = npz.load(root / kind / f"{name}.npz", kind)
            meta = arrays.pop("meta")
            if kind == "poses":
                seconds = np.arange(len(arrays["poses"])) / arrays["fps"]
                arrays["poses"][lost] = np.nan
            else:
                ends = arrays["beats"][arrays["start"] :][: len(arrays["known"])]
                hidden = (ends > seconds[lost][0] - 1.5) & (ends < seconds[lost][-1])
                arrays["known"] = arrays["known"] & ~hidden & (lost != slice(None))
            npz.save(root / kind / f"{name}.npz", kind, "", meta["arguments"], meta["parents"], **arrays)
    return data_root.open_root(root), names


def test_the_example_has_a_complete_window(partly):
    root, names = partly
    assert plots.example(root, names) == names[1]


def test_clips_with_gaps_are_plotted(partly):
    import matplotlib.pyplot as plt

    root, (_, clip) = partly
    codebook = tokenize.load_codebook(root.path / "clusters.npz")
    drawn = [plots.cut(root, clip), plots.levels(root, clip, codebook), plots.reconstructed(root, clip, codebook)]
    assert all(figure.axes[0].collections for figure in drawn)
    plt.close("all")
