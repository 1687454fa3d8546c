import copy
import dataclasses

import numpy as np
import pytest
import torch

from learn2dance.data import data_root, npz
from learn2dance.errors import UserError
from learn2dance.motion import projection, skeleton
from learn2dance.music import beat_grid
from learn2dance.music2pose import generate
from learn2dance.music2pose.model import check_codebook, load_model, save_model


@pytest.fixture(scope="module")
def dancer(trained):
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
def test_each_beat_hears_its_own_music_and_its_own_place_in_the_bar(dancer, music, monkeypatch, first):
    """Features that say the beat's number are heard at that beat, also where beats are put in front of the song's."""
    beats = first + 0.5 * np.arange(12)
    counted = np.tile(np.arange(1.0, 12)[:, None, None], (1, dancer.config.steps_per_beat, dancer.config.music_size))
    monkeypatch.setattr(generate.music_features, "beat_features", lambda *_: counted.astype(np.float32))
    heard = {}

    def encode_music(around, bar, style):
        heard.update(around=around[0, :, 0, 0], bar=bar[0])
        return type(dancer.network).encode_music(dancer.network, around, bar, style)

    plain = projection.Projection(torch.zeros(dancer.config.music_size), torch.eye(dancer.config.music_size))
    network = copy.copy(dancer.network)
    network.encode_music = encode_music
    mine = dataclasses.replace(dancer, network=network, music_pca=plain)
    song = music | {"beats": beats, "duration": beats[-1], "downbeat": 2, "beats_per_bar": 3}
    tokens, motion = generate.select_units(mine, song, np.random.default_rng(0))
    lead = 1 if first else 0
    assert len(tokens) == len(motion) == 12 + lead - 2
    for beat in range(len(tokens)):
        assert heard["around"][dancer.config.before + beat] == max(beat + 1 - lead, 0)  # 0: silence before the song
        assert heard["bar"][beat] == (beat - lead - 2) % 3


def test_a_dance_lasts_as_long_as_the_song(dancer, music):
    dance = generate.dance(dancer, music, seed=0)
    assert len(dance["poses"]) == np.ceil(music["duration"] * 30) and dance["fps"] == 30
    assert dance["beats"][0] <= 0 and dance["beats"][-1] >= music["duration"]
    assert len(dance["tokens"]) == len(dance["beats"]) - 2
    assert np.isfinite(dance["poses"]).all() and np.abs(dance["poses"][:, skeleton.MID_HIP]).max() < 1e-5


def test_same_seed_same_dance_other_seed_another(dancer, music):
    first, again, other = (generate.dance(dancer, music, seed)["tokens"] for seed in (1, 1, 2))
    assert (first == again).all() and (first != other).any()


def words_of(dancer, tokens, motion):
    """Return the number of the unit that each window of a dance is."""
    inventory, numbers = dancer.inventory, []
    for codes, window in zip(tokens, motion, strict=True):
        off = np.abs(inventory.motion - window).max(1)
        numbers.append(int(off.argmin()))
        assert off.min() == 0 and (inventory.units.tokens[numbers[-1]] == codes).all()
    return np.array(numbers)


@pytest.mark.parametrize(("name", "metre"), [("waltz", 3), ("disco", 4), ("chacha", 4)])
def test_a_dance_is_of_words_at_their_place_in_the_bar_and_of_the_style(dancer, music, name, metre):
    song, style = generate.choose_style(dancer, music, name)
    assert dancer.config.styles[style - 1] == name
    song |= {"beats_per_bar": metre, "downbeat": 1}  # as their units are
    tokens, motion = generate.select_units(dancer, song, np.random.default_rng(0), style)
    beats, lead = beat_grid.extend(song["beats"], song["duration"])
    assert len(tokens) == len(motion) == len(beats) - 2
    units = words_of(dancer, tokens, motion)
    assert (dancer.units.bar[units] == (np.arange(len(units)) - lead - 1) % metre + (0 if metre == 3 else 3)).all()
    assert (dancer.units.style[units] == style).all()


def test_the_network_sees_the_word_before_and_nothing_before_the_first(dancer, music):
    seen = []

    def states(heard, before, known, past=None):
        seen.append((before[0, 0], bool(known[0, 0])))
        return type(dancer.network).states(dancer.network, heard, before, known, past)

    network = copy.copy(dancer.network)
    network.states = states
    mine = dataclasses.replace(dancer, network=network)
    tokens, motion = generate.select_units(mine, music, np.random.default_rng(0))
    assert [known for _, known in seen] == [False] + [True] * (len(tokens) - 1)
    units = words_of(dancer, tokens, motion)
    expected = dancer.motion_pca(dancer.units.motion[units])
    torch.testing.assert_close(torch.stack([before for before, _ in seen[1:]]), expected[:-1], atol=0.1, rtol=1e-2)


def paced(dancer, tempo):
    """Return the dancer as if all its units came from music of one tempo."""
    units = dancer.units
    return dataclasses.replace(dancer, units=dataclasses.replace(units, tempo=np.full(len(units.tempo), tempo)))


@pytest.mark.parametrize("downbeat", [0, 1, 2, 3])
@pytest.mark.parametrize("ratio", [0.45, 0.55, 0.8, 1.0, 1.3, 1.55, 2.1])
def test_a_song_is_counted_in_half_or_double_time_where_that_is_nearer_to_the_words(dancer, music, ratio, downbeat):
    beats = 0.2 + np.cumsum(np.random.default_rng(0).uniform(0.45, 0.55, 23))
    song = music | {"beats": beats, "tempo": 110.0 * ratio, "downbeat": downbeat, "beats_per_bar": 4}
    counted, style = generate.choose_style(paced(dancer, 110.0), song, "waltz")
    found = counted["beats"]
    assert found[counted["downbeat"]] == beats[downbeat]  # a downbeat stays one
    assert dancer.config.styles[style - 1] == "waltz" and counted["beats_per_bar"] == 4
    if ratio > 1.5:
        np.testing.assert_array_equal(found, beats[downbeat % 2 :: 2])
    elif ratio < 0.6:
        np.testing.assert_array_equal(found[::2], beats)
        np.testing.assert_allclose(found[1::2], (beats[1:] + beats[:-1]) / 2)
    else:
        np.testing.assert_array_equal(found, beats)
    assert (song["beats"] == beats).all() and song["downbeat"] == downbeat  # the song itself is left as it was


def test_a_song_counted_in_half_time_is_danced_at_half_the_pace(dancer, music):
    fast, slow = (generate.dance(paced(dancer, music["tempo"] / part), music, 0) for part in (1, 2))
    assert len(fast["beats"]) - 3 <= 2 * len(slow["beats"]) <= len(fast["beats"]) + 4
    assert len(slow["tokens"]) == len(slow["beats"]) - 2 and len(slow["poses"]) == len(fast["poses"])


def test_a_dance_goes_on_from_given_poses(dancer, music, trained, tmp_path):
    root = data_root.open_root(trained)
    clip = root.split("test", root.have("music"))[0]
    taken = npz.load(root.file("poses", clip), "poses")
    frames = int(4 * taken["fps"])
    np.savez(tmp_path / "take.npz", poses=taken["poses"][:frames], fps=taken["fps"])
    given = generate.cut_prefix(dancer.codebook, tmp_path / "take.npz", generate.choose_style(dancer, music)[0])
    dance = generate.dance(dancer, music, 0, prefix=tmp_path / "take.npz")
    assert (dance["tokens"][: len(given)] == dancer.codebook.encode(given)).all()
    expected = skeleton.normalise(taken["poses"][:frames, :15], taken["fps"])
    end = dance["beats"][len(given)]  # from there on the first window of its own fades in
    times = np.arange(0, int(end * 30)) / 30
    at = np.clip((times * taken["fps"]).round().astype(int), 0, frames - 1)
    assert end > 2
    error = np.linalg.norm(dance["poses"][: len(times)] - expected[at], axis=-1)
    assert np.median(error) < 0.06  # half a frame of movement, between 25 and 30 frames a second
    other = generate.dance(dancer, music, 0)["poses"][: len(times)]
    assert np.median(np.linalg.norm(other - expected[at], axis=-1)) > 0.09


@pytest.mark.parametrize(
    ("poses", "more", "said"),
    [
        (np.ones((100, 18, 2)), {"fps": 25.0}, "18 joints, expected 15 or 25"),
        (np.random.default_rng(0).normal(size=(100, 15, 2)), {}, "no key 'fps'"),
        (np.random.default_rng(0).normal(size=(10, 15, 2)), {"fps": 25.0}, r"expected \d\.\d s of complete poses"),
        (np.full((100, 15, 2), np.nan), {"fps": 25.0}, r"expected \d\.\d s of complete poses"),
    ],
)
def test_poses_that_cannot_be_gone_on_from(dancer, music, tmp_path, poses, more, said):
    np.savez(tmp_path / "take.npz", poses=poses, **more)
    with pytest.raises(UserError, match=said):
        generate.cut_prefix(dancer.codebook, tmp_path / "take.npz", music)


def test_saved_and_loaded_it_dances_the_same(dancer, music, tmp_path):
    save_model(tmp_path / "again.pt", dancer)
    again = load_model(tmp_path / "again.pt")
    expected, found = (generate.dance(d, music, 3) for d in (dancer, again))
    assert (expected["tokens"] == found["tokens"]).all() and (expected["poses"] == found["poses"]).all()


def test_another_codebook_is_refused(dancer, root):
    model, clusters = root / "models" / "music2pose.pt", root / "clusters.npz"
    check_codebook(dancer, model, clusters)
    clusters.write_bytes(clusters.read_bytes() + b"x")
    with pytest.raises(
        UserError, match=r"trained on codebook \w+, but .*clusters.npz is \w+; Clustering.ipynb ran again"
    ):
        check_codebook(dancer, model, clusters)


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
