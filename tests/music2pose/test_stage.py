"""Generated dances move over a stage: with units whose speeds are known, and in a pose that they hold."""

import dataclasses

import numpy as np
import pytest

from learn2dance.data import data_root, npz
from learn2dance.motion import skeleton, travel
from learn2dance.music2pose import generate, selection, units
from learn2dance.music2pose.model import load_model
from learn2dance.music2pose.plan import plan_song

EDGE = np.log(1.6) / 2  # half the depth of the stage, in log size


@pytest.fixture(scope="module")
def model(trained):
    """Return a model of ten times as many units, each of its own clip, that move at random speeds and hold a pose."""
    model = load_model(trained / "models" / "music2pose.pt")
    columns = {f.name: np.concatenate([getattr(model.units, f.name)] * 10) for f in dataclasses.fields(model.units)}
    columns["clip"] = np.arange(len(columns["clip"]))
    speeds = np.random.default_rng(0).uniform(-1, 1, (len(columns["clip"]), 2)) * [0.5, 0.075]  # per beat
    columns["motion"] = np.zeros_like(columns["motion"])
    columns["motion"][:, [30, 32]] = speeds * np.sqrt(48)  # the first DCT coefficients of constant speeds
    return dataclasses.replace(model, units=units.Units(**columns))


@pytest.fixture(scope="module")
def recorded(trained):
    """Return the music of a song, and the file of the poses to it."""
    root = data_root.open_root(trained)
    clip = root.split("test", root.have("music"))[0]
    return npz.load(root.file("music", clip), "music"), root.file("poses", clip)


@pytest.fixture(scope="module")
def song(recorded):
    """Return two minutes of music: a song again and again, with a beat every half second."""
    frames = {key: value for key, value in recorded[0].items() if np.ndim(value) and key != "beats"}
    repeated = {key: np.resize(value, (3600, *value.shape[1:])) for key, value in frames.items()}
    return recorded[0] | repeated | {"beats": np.arange(0, 120, 0.5), "duration": 120.0, "downbeat": 0, "tempo": 120.0}


def select(model, song, stage=12.0):
    """Return the song as its beats are counted, and the windows of a dance to it.

    Nothing is danced again: repeated phrases go the same way again, wherever the dancer is; `travel.stay` mends that.
    """
    counted, style = model.choose_style(song)
    rng = np.random.default_rng(0)
    plan = plan_song(model.graph, counted, style, rng, variation=1.0, strength=1.0)
    return counted, generate.select_units(model, plan, rng, stage=stage)[1]


@pytest.mark.parametrize("stage", [4.0, 12.0])
def test_a_long_dance_stays_on_its_stage_and_turns_back(model, song, monkeypatch, stage):
    def share_outside():
        """Return the share of frames near an edge or beyond, before `travel.stay` mends that."""
        music, motion = select(model, song, stage)
        path = generate.play_units(model.codebook, motion, music)[1][:, [0, 2]]
        return (np.abs(path - path[0]) > 0.9 * np.array([stage / 2, EDGE])).mean(0).max()

    dance = generate.dance(model, song, 0, stage=stage)
    hips = dance["poses"][:, skeleton.MID_HIP]
    assert len(hips) == 3600 and (hips[0] == 0).all() and dance["nearer"][0] == 0
    position = np.stack([hips[:, 0], dance["nearer"]], 1) / [stage / 2, EDGE]
    assert (np.abs(position) <= 1 + 1e-5).all() and (np.abs(position) > 0.9).mean(0).max() < 0.05
    assert (np.ptp(position, axis=0) > 0.6).all()  # and it does not stand in the middle
    assert share_outside() < 0.05
    monkeypatch.setattr(selection, "STAGE_WEIGHT", 0)  # the control: otherwise it goes beyond an edge
    assert share_outside() > 0.3


def test_the_hips_go_at_the_speeds_of_the_units(model, song):
    """In a cross-fade, each beat is half of the window that ends on it and half of the one that begins with it."""
    song, motion = select(model, song)
    _, path = generate.play_units(model.codebook, motion, song)
    speeds = motion.reshape(len(motion), 48, 33)[:, 24, [30, 32]]
    each = (speeds[1:] + speeds[:-1]) / 2
    at = np.searchsorted(np.arange(3600) / 30, song["beats"][1 : len(each) + 2] - 1e-9)
    moved = path[at][:, [0, 2]] - path[at[0]][[0, 2]]
    np.testing.assert_allclose(moved, np.concatenate([[[0, 0]], np.cumsum(each, axis=0)]), atol=0.02)
    assert np.abs(np.cumsum(each, axis=0)).max() > 1


def given_path(model, music, file):
    """Return a dance that continues a file, and the number of frames before the first window that is generated."""
    counted = model.choose_style(music)[0]
    given = generate.cut_prefix(model.codebook, file, counted)
    dance = generate.dance(model, music, 0, prefix=file)
    return dance, int(dance["beats"][len(given)] * 30)


def test_a_prefix_with_a_path_continues_its_path(model, recorded, tmp_path):
    music, file = recorded
    poses = npz.load(file, "poses")
    frames = int(4 * poses["fps"])
    # Filmed by a camera on wheels: the dancer goes to the right and comes nearer.
    nearer = np.linspace(0, 0.3, frames)
    filmed = (poses["poses"][:frames] - 500) * np.exp(nearer)[:, None, None] + np.outer(np.arange(frames), [2, 0])[
        :, None
    ]
    np.savez(tmp_path / "filmed.npz", poses=filmed, fps=poses["fps"])
    expected = travel.from_camera(filmed, poses["fps"])
    dance, count = given_path(model, music, tmp_path / "filmed.npz")
    assert count > 60 and np.ptp(expected[:, 0]) > 1 and np.ptp(expected[:, 2]) > 0.2
    at = np.arange(count) / 30 * poses["fps"]
    for found, column in ((dance["poses"][:, skeleton.MID_HIP, 0], 0), (dance["nearer"], 2)):
        wanted = np.interp(at, np.arange(frames), expected[:, column]) - expected[0, column]
        np.testing.assert_allclose(
            found[:count], travel.stay(wanted[:, None] * [1, 1, 1], 30, 12.0)[:, column], atol=0.1
        )

    # A dance that was generated is continued too, with its depth.
    npz.save(tmp_path / "dance.npz", "dance", "test", {}, {}, **dance)
    again, count = given_path(model, music, tmp_path / "dance.npz")
    assert count > 60 and np.ptp(dance["nearer"][:count]) > 0.1
    np.testing.assert_allclose(again["nearer"][:count], dance["nearer"][:count], atol=0.02)
    hips = [d["poses"][:count, skeleton.MID_HIP] for d in (again, dance)]
    np.testing.assert_allclose(hips[0][:, 0], hips[1][:, 0], atol=0.05)
