import csv

import numpy as np
import pytest
import torch
from test_pose_folder import folder

from learn2dance.gan import conditioning, dataset, pose_folder
from learn2dance.gan.conditioning import MUSIC_SIZE
from learn2dance.gan.dataset import Dance
from learn2dance.motion import kinematics
from learn2dance.motion.projection import Projection


def swinging(frequency, fps, seconds=12.0):
    """Return a joint of five that swings with this frequency."""
    poses = np.zeros((round(seconds * fps), 5, 2), np.float32)
    poses[:, 3, 0] = np.sin(2 * np.pi * frequency * np.arange(len(poses)) / fps)
    return poses


@pytest.mark.parametrize(("fps", "clock"), [(25, 15), (30, 15), (29.97, 20), (60, 15), (15, 25), (10, 15)])
def test_resampling_keeps_slow_motion_in_time(fps, clock):
    found = kinematics.to_frame_rate(swinging(0.7, fps), fps, clock)
    assert found.dtype == np.float32 and abs(len(found) - 12 * clock) <= clock / fps + 1
    inner = slice(clock, len(found) - clock)  # filters know less at the ends
    np.testing.assert_allclose(found[inner, 3, 0], swinging(0.7, clock, 13)[: len(found)][inner, 3, 0], atol=0.03)
    assert np.abs(found[:, [0, 1, 2, 4]]).max() < 1e-6


def test_motion_too_fast_for_the_frame_rate_is_removed():
    """11 Hz, seen 15 times a second, would look like 4 Hz."""
    assert np.abs(kinematics.to_frame_rate(swinging(11, 30), 30, 15)[15:-15]).max() < 0.03


def test_missing_poses_stay_missing():
    poses = swinging(0.7, 30)
    poses[90:93] = np.nan  # 3.0-3.1 s
    found = kinematics.to_frame_rate(poses, 30, 15)
    lost = np.isnan(found).any((1, 2)).nonzero()[0]
    assert set(lost) >= {45, 46} and set(lost) <= set(range(44, 48))


def song(beats_per_bar=4, seconds=20, downbeat=1):
    """Return music of 120 beats per minute, whose features are all the time in seconds."""
    clock = np.arange(seconds * 30, dtype=np.float32) / 30
    features = {"mel": np.tile(clock[:, None], (1, 128)), "chroma": np.tile(clock[:, None], (1, 12))}
    beats = 0.5 + 0.5 * np.arange(2 * seconds - 2)
    return features | {"onset": clock, "rms": clock, "fps": 30.0, "beats": beats, "downbeat": downbeat,
                    "beats_per_bar": beats_per_bar, "tempo": 120.0, "duration": float(seconds)}  # fmt: skip


EVERY = Projection(torch.zeros(142), torch.eye(142)[:, :MUSIC_SIZE])  # keeps the first features as they are


def test_music_features_are_in_time():
    found = conditioning.condition(song(), 180, 10.0, EVERY)
    assert found.shape == (180, MUSIC_SIZE + conditioning.GRID_SIZE) and found.dtype == np.float32
    beat, bar, three, there = np.split(found[:, MUSIC_SIZE:], [2, 4, 5], axis=1)
    on = np.arange(5, 175, 5)  # every half second a beat, the first at 0.5 s
    np.testing.assert_allclose(beat[on], np.tile([0, 1], (len(on), 1)), atol=1e-4)
    turn = 2 * np.pi * (np.arange(len(on)) - 1) / 4  # the second beat is a downbeat
    np.testing.assert_allclose(bar[on], np.stack([np.sin(turn), np.cos(turn)], 1), atol=1e-4)
    fifth = np.array([np.sin(0.4 * np.pi), np.cos(0.4 * np.pi)])  # of a beat has gone by a step later
    np.testing.assert_allclose(beat[on[:-1] + 1], np.tile(fifth, (33, 1)), atol=1e-3)
    assert (
        (three == 0).all()
        and (there == 1).all()
        and (conditioning.condition(song(3), 9, 10.0, EVERY)[:, MUSIC_SIZE + 4] == 1).all()
    )
    np.testing.assert_allclose(found[5:-5, 0], np.arange(5, 175) / 10, atol=0.05)  # the features of that second


def test_phases_extend_beyond_the_first_and_last_beat():
    music = song()
    music["beats"], music["downbeat"] = music["beats"][3:9], 0  # 2.0 … 4.5 s
    found = conditioning.condition(music, 100, 10.0, EVERY)
    np.testing.assert_allclose(found[::5, MUSIC_SIZE : MUSIC_SIZE + 2], np.tile([0, 1], (20, 1)), atol=1e-4)
    np.testing.assert_allclose(found[::20, MUSIC_SIZE + 2 : MUSIC_SIZE + 4], np.tile([0, 1], (5, 1)), atol=1e-4)


def test_aligned_beats_change_the_time_axis():
    """The dance takes 1.25 s for each second of the song: its beats are 0.625 s apart, and all features are later."""
    music = song()
    aligned = 1.25 * music["beats"]
    found = conditioning.condition(music, 180, 8.0, EVERY, aligned)
    on = np.arange(5, 175, 5)
    np.testing.assert_allclose(found[on, MUSIC_SIZE : MUSIC_SIZE + 2], np.tile([0, 1], (len(on), 1)), atol=1e-4)
    np.testing.assert_allclose(found[on, 0], on / 8 / 1.25, atol=0.05)


def test_starts_of_complete_sequences():
    poses = np.zeros((60, 4, 2), np.float32)
    poses[30, 2, 1] = np.nan
    dance = Dance("a", poses, np.zeros((60, 3), np.float32), np.zeros((60, 0), np.float32), 0)
    assert dance.starts(10).tolist() == [*range(21), *range(31, 51)]
    assert dance.starts(29).tolist() == [0, 1, 31] and not len(dance.starts(31))


def test_a_folder_without_music(tmp_path):
    opened = pose_folder.open_folder(folder(tmp_path / "x", frames=90))
    reader = dataset.DanceReader(opened, 15.0)
    dance = reader("dance 1")
    assert reader.music_pca is None and reader.music_size == 0 and not len(reader.profiles.style)
    assert reader.parents(opened.file("dance 1"))["music"] == ""
    assert (
        dance.poses.shape == (45, 7, 2)
        and dance.path.shape == (45, 3)
        and dance.music.shape == (45, 0)
        and dance.style == 0
    )


def test_the_dances_of_a_data_root(trained):
    opened = pose_folder.open_folder(trained / "poses")
    reader = dataset.DanceReader(opened, 15.0)
    styles = {row["clip"]: row["style"] for row in csv.DictReader((trained / "clips.csv").open())}
    assert (
        reader.music_size == MUSIC_SIZE + conditioning.GRID_SIZE and reader.parents(trained / "clusters.npz")["music"]
    )
    for name in opened.train:
        dance = reader(name)
        assert opened.names()[dance.style - 1] == styles[name]
        assert len(dance.poses) == len(dance.music) and abs(len(dance.poses) - 8 * 15) <= 1
        assert (dance.music[:, MUSIC_SIZE + 4] == (styles[name] == "waltz")).all()
        assert np.isfinite(dance.music).all() and dance.music[:, :MUSIC_SIZE].std(0).min() > 0.01
    found = reader.profiles
    for row, name in enumerate(sorted(opened.train)):
        music = np.load(trained / "music" / f"{name}.npz")
        assert found.names[found.style[row] - 1] == styles[name] and found.tempo[row] == music["tempo"]
        assert found.beats_per_bar[row] == music["beats_per_bar"] and found.danced[row] == len(music["beats"])


def test_a_dance_without_music_has_zeros(root):
    opened = pose_folder.open_folder(root / "poses")
    (root / "music" / f"{opened.train[0]}.npz").unlink()
    reader = dataset.DanceReader(opened, 15.0)
    silent, other = (reader(name).music for name in opened.train[:2])
    assert silent.shape[1] == other.shape[1] == reader.music_size and (silent == 0).all() and (other[:, -1] == 1).all()


def test_memory_is_limited():
    names = [str(i) for i in range(9)]

    def read(name):
        parts = (np.zeros((100, *shape), np.float32) for shape in ((4, 2), (3,), (1,)))
        return Dance(name, *parts, 0)  # 4800 bytes

    drawn = [dataset.read_pool(read, names, np.random.default_rng(seed), 12_000) for seed in (0, 0, 1)]
    found = [[dance.name for dance in pool] for pool, _ in drawn]
    assert all(len(some) == 3 and some == sorted(some) for some in found) and not any(
        everything for _, everything in drawn
    )
    assert found[0] == found[1] != found[2]
    pool, everything = dataset.read_pool(read, names, np.random.default_rng(0), 43_200)
    assert [dance.name for dance in pool] == names and everything
