"""Numbers that no stage writes are refused where they are read."""

import numpy as np
import pytest

from learn2dance.data import npz
from learn2dance.errors import UserError


def refused(tmp_path, kind, good, says, **changed):
    np.savez(tmp_path / "good.npz", **good)
    npz.load(tmp_path / "good.npz", kind)
    np.savez(tmp_path / "a.npz", **good | changed)
    with pytest.raises(UserError, match=f"a.npz: .*{says}"):
        npz.load(tmp_path / "a.npz", kind)


@pytest.mark.parametrize(
    ("changed", "says"),
    [({"fps": 1e300}, "'fps' contains 1e.300, expected 0.01 to 10000"), ({"tempo": 1e-9}, "'tempo' contains 1e-09"),
     ({"downbeat": 99}, "'downbeat' to be the index of one of 'beats'"), ({"beats_per_bar": 5}, "expected 3 to 4"),
     ({"beats": np.array([1.0])}, "two or more 'beats'"), ({"beats": np.array([1.0, 1.0 + 1e-9])}, "0.01 s apart"),
     ({"beats": np.arange(9.0)[::-1]}, "'beats' to increase"), ({"duration": 1e5}, "'duration' times 'fps'"),
     ({"mel": np.zeros((0, 128), np.float32)}, "'mel' is float32 .0, 128."), ({"rms": np.zeros(7)}, "'rms'")],
)  # fmt: skip
def test_music(trained, tmp_path, changed, says):
    music = dict(np.load(sorted((trained / "music").glob("*.npz"))[0]))
    music.pop("meta")
    refused(tmp_path, "music", music, says, **changed)


@pytest.mark.parametrize(
    ("changed", "says"),
    [({"whole": 9}, "'whole' at most L"), ({"frames_per_beat": 10}, "D to be 33 times half the frames"),
     ({"window_beats": -1}, "'window_beats' contains -1"), ({"top_speed": 0.0}, "'top_speed' contains 0")],
)  # fmt: skip
def test_clusters(trained, tmp_path, changed, says):
    clusters = dict(np.load(trained / "clusters.npz"))
    clusters.pop("meta")
    refused(tmp_path, "clusters", clusters, says, **changed)


@pytest.mark.parametrize(
    ("changed", "says"),
    [({"start": 10**6}, "'beats' from 'start' on"), ({"bar": lambda bar: bar + 7}, "expected 0 to 6"),
     ({"tokens": lambda tokens: tokens - 99}, "'tokens' contains -")],
)  # fmt: skip
def test_tokens(trained, tmp_path, changed, says):
    tokens = dict(np.load(sorted((trained / "tokens").glob("*.npz"))[0]))
    tokens.pop("meta")
    changed = {key: value(tokens[key]) if callable(value) else value for key, value in changed.items()}
    refused(tmp_path, "tokens", tokens, says, **changed)


def test_poses_of_any_program_are_of_a_possible_size(tmp_path):
    for poses, says in (
        (np.full((3, 18, 2), 1e30), "contains 1e.30"),
        (np.zeros((2, 5000, 2)), "expected at most 150 joints"),
    ):
        np.savez(tmp_path / "a.npz", poses=poses)
        with pytest.raises(UserError, match=says):
            npz.load_poses(tmp_path / "a.npz")
    for key, value in (("beats", [2.0, 1.0]), ("beats", [np.nan]), ("travel", "yes"), ("travel", [True, False])):
        np.savez(tmp_path / "b.npz", poses=np.random.default_rng(0).normal(size=(9, 4, 2)), **{key: np.array(value)})
        with pytest.raises(UserError, match=f"'{key}'"):
            npz.load_poses(tmp_path / "b.npz")
