import copy
import dataclasses

import numpy as np
import pytest
import torch
from format_samples import TRUTH

from learn2dance.data import data_root, npz
from learn2dance.errors import UserError
from learn2dance.motion import projection, skeleton, travel
from learn2dance.music import beat_grid
from learn2dance.music2pose import generate
from learn2dance.music2pose.model import check_codebook, load_model, save_model


@pytest.fixture(scope="module")
def model(trained):
    return load_model(trained / "models" / "music2pose.pt")


@pytest.fixture(scope="module")
def music(trained):
    root = data_root.open_root(trained)
    return npz.load(root.file("music", root.split("test", root.have("music"))[0]), "music")


def test_the_grid_covers_the_song():
    beats, lead = beat_grid.extend(np.array([0.3, 0.8, 1.4]), 2.9)
    np.testing.assert_allclose(beats, [-0.2, 0.3, 0.8, 1.4, 2.0, 2.6, 3.2])
    assert lead == 1
    beats, lead = beat_grid.extend(np.array([0.0, 0.5, 1.0]), 1.0)
    assert len(beats) == 3 and lead == 0


@pytest.mark.parametrize("first", [0.0, 0.3])
def test_each_beat_has_its_own_music_and_bar_position(model, music, monkeypatch, first):
    """Features that are the beat's number reach that beat, also if beats are added in front of the song's."""
    beats = first + 0.5 * np.arange(12)
    counted = np.tile(np.arange(1.0, 12)[:, None, None], (1, model.config.steps_per_beat, model.config.music_size))
    monkeypatch.setattr(generate.music_features, "beat_features", lambda *_: counted.astype(np.float32))
    given = {}

    def encode_music(around, bar, style):
        given.update(around=around[0, :, 0, 0], bar=bar[0])
        return type(model.network).encode_music(model.network, around, bar, style)

    plain = projection.Projection(torch.zeros(model.config.music_size), torch.eye(model.config.music_size))
    network = copy.copy(model.network)
    network.encode_music = encode_music
    changed = dataclasses.replace(model, network=network, music_pca=plain)
    song = music | {"beats": beats, "duration": beats[-1], "downbeat": 2, "beats_per_bar": 3}
    tokens, motion = generate.select_units(changed, song, np.random.default_rng(0))
    lead = 1 if first else 0
    assert len(tokens) == len(motion) == 12 + lead - 2
    for beat in range(len(tokens)):
        assert given["around"][model.config.before + beat] == max(beat + 1 - lead, 0)  # 0: before the song
        assert given["bar"][beat] == (beat - lead - 2) % 3


def test_a_dance_lasts_as_long_as_the_song(model, music):
    dance = generate.dance(model, music, seed=0)
    assert len(dance["poses"]) == np.ceil(music["duration"] * 30) and dance["fps"] == 30
    assert dance["beats"][0] <= 0 and dance["beats"][-1] >= music["duration"]
    assert len(dance["tokens"]) == len(dance["beats"]) - 2
    assert np.isfinite(dance["poses"]).all() and dance["nearer"].shape == dance["poses"].shape[:1]
    assert (dance["poses"][0, skeleton.MID_HIP] == 0).all() and dance["nearer"][0] == 0


def test_the_seed_determines_the_dance(model, music):
    first, same, other = (generate.dance(model, music, seed) for seed in (1, 1, 2))
    assert all(np.array_equal(first[key], same[key]) for key in first)
    assert (first["tokens"] != other["tokens"]).any()


def unit_numbers(model, tokens, motion):
    """Return the index of the unit at each beat of a dance."""
    inventory, numbers = model.inventory, []
    for codes, window in zip(tokens, motion, strict=True):
        error = np.abs(inventory.motion - window).max(1)
        numbers.append(int(error.argmin()))
        assert error.min() == 0 and (inventory.units.tokens[numbers[-1]] == codes).all()
    return np.array(numbers)


@pytest.mark.parametrize(("name", "metre"), [("waltz", 3), ("disco", 4), ("chacha", 4)])
def test_units_have_the_bar_position_and_the_style(model, music, name, metre):
    song, style = model.choose_style(music, name)
    assert model.config.styles[style - 1] == name
    song |= {"beats_per_bar": metre, "downbeat": 1}  # as their units are
    tokens, motion = generate.select_units(model, song, np.random.default_rng(0), style)
    beats, lead = beat_grid.extend(song["beats"], song["duration"])
    assert len(tokens) == len(motion) == len(beats) - 2
    units = unit_numbers(model, tokens, motion)
    assert (model.units.bar[units] == (np.arange(len(units)) - lead - 1) % metre + (0 if metre == 3 else 3)).all()
    assert (model.units.style[units] == style).all()


def test_the_network_input_is_the_unit_before(model, music):
    inputs = []

    def states(encoded, before, known, past=None):
        inputs.append((before[0, 0], bool(known[0, 0])))
        return type(model.network).states(model.network, encoded, before, known, past)

    network = copy.copy(model.network)
    network.states = states
    changed = dataclasses.replace(model, network=network)
    tokens, motion = generate.select_units(changed, music, np.random.default_rng(0))
    assert [known for _, known in inputs] == [False] + [True] * (len(tokens) - 1)
    units = unit_numbers(model, tokens, motion)
    expected = model.motion_pca(model.units.motion[units])
    torch.testing.assert_close(torch.stack([before for before, _ in inputs[1:]]), expected[:-1], atol=0.1, rtol=1e-2)


def paced(model, tempo):
    """Return the model as if all its units came from music of one tempo."""
    units = model.units
    return dataclasses.replace(model, units=dataclasses.replace(units, tempo=np.full(len(units.tempo), tempo)))


@pytest.mark.parametrize("downbeat", [0, 1, 2, 3])
@pytest.mark.parametrize("ratio", [0.45, 0.55, 0.8, 1.0, 1.3, 1.55, 2.1])
def test_a_song_is_counted_in_half_or_double_time_if_nearer_to_the_units(model, music, ratio, downbeat):
    beats = 0.2 + np.cumsum(np.random.default_rng(0).uniform(0.45, 0.55, 23))
    song = music | {"beats": beats, "tempo": 110.0 * ratio, "downbeat": downbeat, "beats_per_bar": 4}
    counted, style = paced(model, 110.0).choose_style(song, "waltz")
    found = counted["beats"]
    assert found[counted["downbeat"]] == beats[downbeat]  # a downbeat stays one
    assert model.config.styles[style - 1] == "waltz" and counted["beats_per_bar"] == 4
    if ratio > 1.5:
        np.testing.assert_array_equal(found, beats[downbeat % 2 :: 2])
    elif ratio < 0.6:
        np.testing.assert_array_equal(found[::2], beats)
        np.testing.assert_allclose(found[1::2], (beats[1:] + beats[:-1]) / 2)
    else:
        np.testing.assert_array_equal(found, beats)
    assert (song["beats"] == beats).all() and song["downbeat"] == downbeat  # the song itself is not changed


def test_half_time_halves_the_pace(model, music):
    fast, slow = (generate.dance(paced(model, music["tempo"] / part), music, 0) for part in (1, 2))
    assert len(fast["beats"]) - 3 <= 2 * len(slow["beats"]) <= len(fast["beats"]) + 4
    assert len(slow["tokens"]) == len(slow["beats"]) - 2 and len(slow["poses"]) == len(fast["poses"])


def test_a_dance_continues_given_poses(model, music, trained, tmp_path):
    root = data_root.open_root(trained)
    clip = root.split("test", root.have("music"))[0]
    recorded = npz.load(root.file("poses", clip), "poses")
    frames = int(4 * recorded["fps"])
    np.savez(tmp_path / "prefix.npz", poses=recorded["poses"][:frames], fps=recorded["fps"])
    given = generate.cut_prefix(model.codebook, tmp_path / "prefix.npz", model.choose_style(music)[0])
    dance = generate.dance(model, music, 0, prefix=tmp_path / "prefix.npz")
    assert (dance["tokens"][: len(given)] == model.codebook.encode(given)).all()
    expected = skeleton.normalise(recorded["poses"][:frames, :15], recorded["fps"])
    end = dance["beats"][len(given)]  # there the first generated window fades in
    times = np.arange(0, int(end * 30)) / 30
    at = np.clip((times * recorded["fps"]).round().astype(int), 0, frames - 1)
    assert end > 2
    error = np.linalg.norm(travel.rooted(dance["poses"][: len(times)]) - expected[at], axis=-1)
    assert np.median(error) < 0.06  # half a frame of movement, between 25 and 30 frames a second
    other = generate.dance(model, music, 0)["poses"][: len(times)]
    assert np.median(np.linalg.norm(travel.rooted(other) - expected[at], axis=-1)) > 0.09


def test_a_prefix_ends_where_a_joint_is_missing_and_this_is_said(model, music, tmp_path, caplog):
    counted, poses = model.choose_style(music)[0], np.tile(TRUTH[..., :2], (3, 1, 1))
    lost = poses.copy()
    lost[-30:-10, 4] = np.nan
    generate.log.propagate = True
    caplog.set_level("INFO", generate.log.name)
    sizes = []
    for part in (poses, lost):
        np.savez(tmp_path / "prefix.npz", poses=part, fps=25.0)
        caplog.clear()
        sizes.append(len(generate.cut_prefix(model.codebook, tmp_path / "prefix.npz", counted)))
        said = f"continued from {beat_grid.extend(counted['beats'], counted['duration'])[0][sizes[-1]]:.1f} s on"
        assert said in caplog.text and ("where a joint is missing" in caplog.text) == (part is lost)
    assert 0 < sizes[1] < sizes[0]


@pytest.mark.parametrize(
    ("poses", "more", "message"),
    [
        (np.ones((100, 18, 2)), {"fps": 25.0}, "18 joints, expected 15 or 25"),
        (TRUTH[..., :2], {}, "no key 'fps'"),
        (TRUTH[:10, :, :2], {"fps": 25.0}, r"expected \d\.\d s of complete poses"),
        (np.full((100, 15, 2), np.nan), {"fps": 25.0}, "Nose, Neck, .* never seen; a prefix needs all joints"),
        (np.where(np.arange(15)[:, None] < 8, TRUTH[..., :2], np.nan), {"fps": 25.0}, "MidHip, RHip, .* never seen"),
    ],
)
def test_unusable_prefixes_are_refused(model, music, tmp_path, poses, more, message):
    np.savez(tmp_path / "prefix.npz", poses=poses, **more)
    with pytest.raises(UserError, match=message):
        generate.cut_prefix(model.codebook, tmp_path / "prefix.npz", music)


def test_a_loaded_model_generates_the_same_dance(model, music, tmp_path):
    save_model(tmp_path / "copy.pt", model)
    loaded = load_model(tmp_path / "copy.pt")
    expected, found = (generate.dance(m, music, 3) for m in (model, loaded))
    assert (expected["tokens"] == found["tokens"]).all() and (expected["poses"] == found["poses"]).all()


def test_another_codebook_is_refused(model, root):
    path, clusters = root / "models" / "music2pose.pt", root / "clusters.npz"
    check_codebook(model, path, clusters)
    clusters.write_bytes(clusters.read_bytes() + b"x")
    with pytest.raises(
        UserError, match=r"trained on codebook \w+, but .*clusters.npz is \w+; Clustering.ipynb ran again"
    ):
        check_codebook(model, path, clusters)


def test_checkpoints_of_other_shapes_are_refused(trained, tmp_path):
    parts = torch.load(trained / "models" / "music2pose.pt", weights_only=True)
    for changed in (
        {"config": parts["config"] | {"width": 64}},
        {"config": {"model": "transformer"}},
        {"codebook": {}},
        {"units": {}},
        {"motion_pca": {}},
    ):
        torch.save(parts | changed, tmp_path / "other.pt")
        with pytest.raises(UserError, match="not the parts of a 'music2pose' model") as fault:
            load_model(tmp_path / "other.pt")
        assert "\n" not in str(fault.value)
