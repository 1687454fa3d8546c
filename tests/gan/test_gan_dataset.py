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
def test_slow_motion_is_kept_and_where_it_is_in_time(fps, clock):
    found = kinematics.to_frame_rate(swinging(0.7, fps), fps, clock)
    assert found.dtype == np.float32 and abs(len(found) - 12 * clock) <= clock / fps + 1
    inner = slice(clock, len(found) - clock)  # filters know less at the ends
    np.testing.assert_allclose(found[inner, 3, 0], swinging(0.7, clock, 13)[: len(found)][inner, 3, 0], atol=0.03)
    assert np.abs(found[:, [0, 1, 2, 4]]).max() < 1e-6


def test_motion_too_fast_for_the_clock_is_left_out():
    """11 Hz, seen 15 times a second, would look like 4 Hz."""
    assert np.abs(kinematics.to_frame_rate(swinging(11, 30), 30, 15)[15:-15]).max() < 0.03


def test_what_is_not_known_stays_unknown():
    poses = swinging(0.7, 30)
    poses[90:93] = np.nan  # 3.0-3.1 s
    found = kinematics.to_frame_rate(poses, 30, 15)
    lost = np.isnan(found).any((1, 2)).nonzero()[0]
    assert set(lost) >= {45, 46} and set(lost) <= set(range(44, 48))


def song(beats_per_bar=4, seconds=20, downbeat=1):
    """Return music of 120 beats a minute in which everything heard is the number of seconds gone by."""
    clock = np.arange(seconds * 30, dtype=np.float32) / 30
    heard = {"mel": np.tile(clock[:, None], (1, 128)), "chroma": np.tile(clock[:, None], (1, 12))}
    beats = 0.5 + 0.5 * np.arange(2 * seconds - 2)
    return heard | {"onset": clock, "rms": clock, "fps": 30.0, "beats": beats, "downbeat": downbeat,
                    "beats_per_bar": beats_per_bar, "tempo": 120.0, "duration": float(seconds)}  # fmt: skip


EVERY = Projection(torch.zeros(142), torch.eye(142)[:, :MUSIC_SIZE])  # hears the first numbers as they are


def test_beats_and_bars_are_heard_where_they_are():
    heard = conditioning.condition(song(), 180, 10.0, EVERY)
    assert heard.shape == (180, MUSIC_SIZE + conditioning.GRID_SIZE) and heard.dtype == np.float32
    beat, bar, three, there = np.split(heard[:, MUSIC_SIZE:], [2, 4, 5], axis=1)
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
    np.testing.assert_allclose(heard[5:-5, 0], np.arange(5, 175) / 10, atol=0.05)  # what sounds at that second


def test_beats_go_on_before_the_first_and_after_the_last():
    music = song()
    music["beats"], music["downbeat"] = music["beats"][3:9], 0  # 2.0 … 4.5 s
    heard = conditioning.condition(music, 100, 10.0, EVERY)
    np.testing.assert_allclose(heard[::5, MUSIC_SIZE : MUSIC_SIZE + 2], np.tile([0, 1], (20, 1)), atol=1e-4)
    np.testing.assert_allclose(heard[::20, MUSIC_SIZE + 2 : MUSIC_SIZE + 4], np.tile([0, 1], (5, 1)), atol=1e-4)


def test_a_dance_on_a_slower_clock_hears_the_beat_that_it_dances_to():
    """The dance takes 1.25 s for each second of the song: its beats are 0.625 s apart, and all that sounds is later."""
    music = song()
    laid = 1.25 * music["beats"]
    heard = conditioning.condition(music, 180, 8.0, EVERY, laid)
    on = np.arange(5, 175, 5)
    np.testing.assert_allclose(heard[on, MUSIC_SIZE : MUSIC_SIZE + 2], np.tile([0, 1], (len(on), 1)), atol=1e-4)
    np.testing.assert_allclose(heard[on, 0], on / 8 / 1.25, atol=0.05)


def test_whole_sequences_begin_where_enough_is_known():
    poses = np.zeros((60, 4, 2), np.float32)
    poses[30, 2, 1] = np.nan
    take = Dance("a", poses, np.zeros((60, 0), np.float32), 0)
    assert take.starts(10).tolist() == [*range(21), *range(31, 51)]
    assert take.starts(29).tolist() == [0, 1, 31] and not len(take.starts(31))


def test_a_folder_without_music(tmp_path):
    opened = pose_folder.open_folder(folder(tmp_path / "x", frames=90))
    reader = dataset.DanceReader(opened, 15.0)
    take = reader("dance 1")
    assert reader.music_pca is None and reader.music_size == 0 and reader.tempi() == ()
    assert reader.parents(opened.file("dance 1"))["music"] == ""
    assert take.poses.shape == (45, 7, 2) and take.music.shape == (45, 0) and take.style == 0


def test_the_dances_of_a_data_root(trained):
    opened = pose_folder.open_folder(trained / "poses")
    reader = dataset.DanceReader(opened, 15.0)
    styles = {row["clip"]: row["style"] for row in csv.DictReader((trained / "clips.csv").open())}
    assert (
        reader.music_size == MUSIC_SIZE + conditioning.GRID_SIZE and reader.parents(trained / "clusters.npz")["music"]
    )
    for name in opened.train:
        take = reader(name)
        assert opened.names()[take.style - 1] == styles[name]
        assert len(take.poses) == len(take.music) and abs(len(take.poses) - 8 * 15) <= 1
        assert (take.music[:, MUSIC_SIZE + 4] == (styles[name] == "waltz")).all()
        assert np.isfinite(take.music).all() and take.music[:, :MUSIC_SIZE].std(0).min() > 0.01
    told = {opened.names()[style - 1]: (tempo, metre) for style, tempo, metre in reader.tempi()}
    for name in opened.train:  # one of each style
        music = np.load(trained / "music" / f"{name}.npz")
        assert told[styles[name]] == (music["tempo"], music["beats_per_bar"])


def test_a_dance_without_its_music_is_danced_in_silence(root):
    opened = pose_folder.open_folder(root / "poses")
    (root / "music" / f"{opened.train[0]}.npz").unlink()
    reader = dataset.DanceReader(opened, 15.0)
    silent, heard = (reader(name).music for name in opened.train[:2])
    assert silent.shape[1] == heard.shape[1] == reader.music_size and (silent == 0).all() and (heard[:, -1] == 1).all()


def test_so_many_bytes_are_held_at_a_time():
    names = [str(i) for i in range(9)]

    def read(name):
        return Dance(name, np.zeros((100, 4, 2), np.float32), np.zeros((100, 2), np.float32), 0)  # 4000 bytes

    drawn = [dataset.read_pool(read, names, np.random.default_rng(seed), 10_000) for seed in (0, 0, 1)]
    found = [[take.name for take in held] for held, _ in drawn]
    assert all(len(some) == 3 and some == sorted(some) for some in found) and not any(whole for _, whole in drawn)
    assert found[0] == found[1] != found[2]
    held, whole = dataset.read_pool(read, names, np.random.default_rng(0), 36_000)
    assert [take.name for take in held] == names and whole
