import csv
from types import SimpleNamespace

import numpy as np
import pytest
from test_pose_folder import folder

from learn2dance.data import npz
from learn2dance.gan import conditioning, dataset, pose_folder
from learn2dance.gan.conditioning import STEPS
from learn2dance.gan.dataset import Dance
from learn2dance.motion import sync
from learn2dance.music.beat_grid import BAR_POSITIONS


def test_a_folder_without_music(tmp_path):
    opened = pose_folder.open_folder(folder(tmp_path / "x", frames=90))
    reader = dataset.DanceReader(opened)
    dance = reader("dance 1")
    assert not reader.music and not len(reader.profiles.style)
    assert reader.parents(opened.file("dance 1"))["music"] == ""
    assert dance.poses.shape == (90, 7, 2) and dance.path.shape == (90, 3) and dance.fps == 30 and dance.seconds == 3
    assert dance.style == dance.beats_per_bar == 0 and not dance.timeline.features.any()
    assert dance.steps.shape == (dance.timeline.steps, 7, 2) and np.isfinite(dance.steps).all()
    np.testing.assert_array_equal(dance.timeline.beats, conditioning.uniform(3.0).beats)
    np.testing.assert_array_equal(dance.known, dance.timeline.step_times() <= 3)


def test_steps_are_the_poses_at_their_times_and_gaps_are_filled(tmp_path):
    """The joints move evenly, so interpolation is exact; in the gap, they are filled and not known."""
    clock = np.arange(120)[:, None, None] / 30
    rng = np.random.default_rng(0)
    poses = rng.normal(size=(1, 7, 2)) + clock * rng.normal(size=(1, 7, 2))
    (tmp_path / "x").mkdir()
    whole = poses.copy()
    poses[50:60, 3] = np.nan
    np.savez(tmp_path / "x" / "gap.npz", poses=poses, fps=30.0)
    np.savez(tmp_path / "x" / "whole.npz", poses=whole, fps=30.0)
    reader = dataset.DanceReader(pose_folder.open_folder(tmp_path / "x"))
    gap, complete = reader("gap"), reader("whole")
    at = complete.timeline.step_times()
    inside = at <= 119 / 30
    expected = np.stack(
        [np.interp(at, clock.ravel(), column) for column in complete.poses.reshape(120, -1).T], axis=1
    ).reshape(-1, 7, 2)
    np.testing.assert_allclose(complete.steps[inside], expected[inside], atol=1e-4)
    assert complete.known[inside].all() and np.isfinite(gap.steps).all()
    lost = (at > 49 / 30) & (at < 2.0)
    np.testing.assert_array_equal(gap.known[inside], ~lost[inside])


def test_the_dances_of_a_data_root(trained):
    opened = pose_folder.open_folder(trained / "poses")
    reader = dataset.DanceReader(opened)
    styles = {row["clip"]: row["style"] for row in csv.DictReader((trained / "clips.csv").open())}
    assert reader.music and reader.parents(trained / "clusters.npz")["music"]
    for name in opened.train:
        dance = reader(name)
        assert opened.names()[dance.style - 1] == styles[name]
        assert dance.poses.shape[1:] == dance.steps.shape[1:] == (15, 2) and abs(dance.seconds - 8) < 0.1
        assert dance.beats_per_bar == (3 if styles[name] == "waltz" else 4)
        position = dance.timeline.features[:, :BAR_POSITIONS].argmax(1)
        assert ((position < 3) == (styles[name] == "waltz")).all()
        assert dance.timeline.beats[0] <= 0 and dance.timeline.beats[-1] >= dance.seconds
        assert np.isfinite(dance.timeline.features).all() and dance.known.mean() > 0.8
        # The beats are those of the music in seconds of the dance.
        music = npz.load(trained / "music" / f"{name}.npz", "music")
        aligned = sync.correct_beats(dance.poses, dance.fps, music, reader.timing)
        inside = (aligned > 0) & (aligned < dance.seconds)
        assert inside.sum() > 8 and all(np.abs(dance.timeline.beats - beat).min() < 1e-9 for beat in aligned[inside])
    found = reader.profiles
    for row, name in enumerate(sorted(opened.train)):
        music = np.load(trained / "music" / f"{name}.npz")
        assert found.names[found.style[row] - 1] == styles[name] and found.tempo[row] == music["tempo"]
        assert found.beats_per_bar[row] == music["beats_per_bar"] and found.danced[row] == len(music["beats"])


def test_a_dance_without_music_has_uniform_beats(root):
    opened = pose_folder.open_folder(root / "poses")
    (root / "music" / f"{opened.train[0]}.npz").unlink()
    reader = dataset.DanceReader(opened)
    silent, other = (reader(name) for name in opened.train[:2])
    assert reader.music and not silent.timeline.features.any() and silent.beats_per_bar == 0
    assert other.timeline.features.any() and other.beats_per_bar in (3, 4)


def test_memory_is_limited():
    names = [str(i) for i in range(9)]
    line = conditioning.uniform(1.0)

    def read(name):
        poses, path = np.zeros((100, 4, 2), np.float32), np.zeros((100, 3), np.float32)
        steps, known = np.zeros((line.steps, 4, 2), np.float32), np.ones(line.steps, bool)
        return Dance(name, poses, path, 30.0, line, steps, known, 0, 0)

    size = 100 * (4 * 2 + 3) * 4 + 3 * STEPS * 4 * 2 * 4  # bytes of a dance, which has three beats
    drawn = [dataset.read_pool(read, names, np.random.default_rng(seed), 2 * size + 9) for seed in (0, 0, 1)]
    found = [[dance.name for dance in pool] for pool, _ in drawn]
    assert all(len(some) == 3 and some == sorted(some) for some in found)
    assert not any(everything for _, everything in drawn)
    assert found[0] == found[1] != found[2]
    pool, everything = dataset.read_pool(read, names, np.random.default_rng(0), 9 * size)
    assert [dance.name for dance in pool] == names and everything


@pytest.mark.parametrize(("name", "joints"), [("poses", 9), ("others", 15)])
def test_music_is_for_the_poses_of_a_data_root_with_known_joints(tmp_path, name, joints):
    """Beats are corrected by the motion of the body, whose joints must be known."""
    (tmp_path / "music").mkdir()
    opened = SimpleNamespace(path=tmp_path / name, joints=joints, train=["a"], val=["a"])
    assert not dataset.DanceReader(opened).music
