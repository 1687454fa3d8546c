import dataclasses

import numpy as np
import pytest
import torch
from format_samples import TRUTH

from learn2dance.data import data_root, npz
from learn2dance.errors import UserError
from learn2dance.motion import skeleton, travel, windows
from learn2dance.music import beat_grid, form
from learn2dance.music2pose import generate
from learn2dance.music2pose import plan as plan_module
from learn2dance.music2pose.model import check_codebook, load_model, save_model
from learn2dance.music2pose.plan import plan_song


@pytest.fixture(scope="module")
def model(trained):
    return load_model(trained / "models" / "music2pose.pt")


@pytest.fixture(scope="module")
def music(trained):
    root = data_root.open_root(trained)
    return npz.load(root.file("music", root.split("test", root.have("music"))[0]), "music")


def select(model, music, style=None, seed=0, **options):
    """Return what `generate.select_units` returns for a song as it is danced by default, and the plan."""
    counted, index = model.choose_style(music, style)
    plan = plan_song(model.graph, counted, index, np.random.default_rng(seed), generate.VARIATION, 1.0)
    return *generate.select_units(model, plan, np.random.default_rng(seed), **options), plan


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
    graph, numbers = model.graph, []
    for codes, window in zip(tokens, motion, strict=True):
        error = np.abs(graph.motion - window).max(1)
        numbers.append(int(error.argmin()))
        assert error.min() == 0 and (graph.units.tokens[numbers[-1]] == codes).all()
    return np.array(numbers)


@pytest.mark.parametrize(("name", "metre"), [("waltz", 3), ("disco", 4), ("chacha", 4)])
def test_units_have_the_bar_position_and_the_style(model, music, name, metre):
    song = music | {"beats_per_bar": metre, "downbeat": 1}  # as their units are
    tokens, motion, plan = select(model, song, name)
    units, found = unit_numbers(model, tokens, motion), model.graph.units
    assert len(tokens) == len(plan.bar) and model.styles[plan.style - 1] == name
    assert (found.bar[units] == plan.bar).all() and (found.style[units] == plan.style).all()


@pytest.fixture
def refrain(model, music, monkeypatch):
    """Return a song of 33 beats in 4/4 whose second half has the music of the first, again and again."""
    found = form.Form(np.array([0, 8, 16, 24]), np.array([0, 1, 0, 1]), np.array([0, 1, 0, 1]))
    monkeypatch.setattr(plan_module.form, "find", lambda music: found)
    frames = {key: np.resize(music[key], (480, *music[key].shape[1:])) for key in ("mel", "tempogram", "chroma", "rms")}
    frames |= {key: np.resize(music[key], (480, *music[key].shape[1:])) for key in ("onset", "beat_phase", "bar_phase")}
    grid = {"beats": np.arange(33) * 0.5, "duration": 16.0, "downbeat": 0, "beats_per_bar": 4, "tempo": 120.0}
    return music | frames | grid


def test_repeated_phrases_are_danced_again_but_for_the_variation(model, refrain):
    shares = {}
    for variation in (0.0, 0.25, 1.0):
        dances = [generate.dance(model, refrain, seed, "disco", variation=variation)["tokens"] for seed in range(8)]
        shares[variation] = np.mean([(tokens[16:] == tokens[: len(tokens) - 16]).all(1) for tokens in dances])
    assert shares[0.0] == 1 and shares[1.0] < 0.3 < 0.55 < shares[0.25] < 0.9


def test_energy_chooses_among_the_units(model, music):
    """With more of it, loud beats are danced with more energetic units, and soft ones with calmer ones."""
    loud = np.repeat([0.1, 1.0], len(music["mel"]) // 2)[:, None]
    song = music | {"mel": music["mel"][: len(loud)] * loud, "rms": music["rms"][: len(loud)] * loud[:, 0]}
    contrast = []
    for strength in (0.0, 4.0):
        rises = []
        for seed in range(10):
            counted, index = model.choose_style(song, "disco")
            plan = plan_song(model.graph, counted, index, np.random.default_rng(seed), 1.0, strength)
            units = unit_numbers(model, *generate.select_units(model, plan, np.random.default_rng(seed)))
            energy = model.graph.energy(index)[units]
            rises.append(energy[len(energy) // 2 + 2 :].mean() - energy[: len(energy) // 2 - 2].mean())
        contrast.append(np.mean(rises))
    assert contrast[1] > contrast[0] + 0.3


def test_the_pose_is_held_while_the_music_is_silent(model, refrain):
    silent = slice(6 * 30 - 8, 11 * 30 + 8)  # from beat 12 to beat 22
    song = {key: value.copy() if isinstance(value, np.ndarray) else value for key, value in refrain.items()}
    song["rms"][silent], song["mel"][silent] = 0, 0
    tokens, motion, plan = select(model, song, "disco")
    held = np.flatnonzero(plan.held)
    assert 7 <= len(held) <= 11 and (np.diff(held) == 1).all()
    graph, frames = model.graph, motion.reshape(len(motion), model.codebook.frames, -1)
    units, poses = graph.motion.reshape(len(graph.motion), model.codebook.frames, -1), []
    for beat in held:
        # A window is that of a unit with these tokens, made smaller around the pose.
        same = units[(graph.units.tokens == tokens[beat]).all(1)]
        rest = frames[beat] - generate.HELD * same
        deviation = np.abs(rest - rest[:, :1]).max((1, 2))
        assert deviation.min() < 1e-5
        poses.append(rest[deviation.argmin(), 0] / (1 - generate.HELD))
    np.testing.assert_allclose(poses, np.tile(poses[0], (len(poses), 1)), atol=1e-5)
    np.testing.assert_allclose(poses[0][:30], frames[held[0] - 1, -1, :30], atol=1e-5)  # that of the window before
    assert np.abs(poses[0][windows.SPEEDS]).max() < 1e-5
    moving = np.delete(np.arange(len(motion)), held)
    unit_numbers(model, tokens[moving], motion[moving])  # the others are as they were recorded


def test_what_follows_a_held_window_is_chosen_by_how_well_it_continues_that(model, refrain, monkeypatch):
    song, given, graph = refrain | {"rms": refrain["rms"].copy()}, [], model.graph
    song["rms"][180:330] = 0  # from beat 12 to beat 22
    score = graph.transitions_from
    monkeypatch.setattr(graph, "transitions_from", lambda window, *how: given.append(window) or score(window, *how))
    _, motion, plan = select(model, song, "disco")
    held = np.flatnonzero(plan.held)
    assert len(held) > 5 and held[-1] < len(motion) - 1
    np.testing.assert_array_equal(given, motion[held])


def test_what_follows_a_prefix_is_chosen_by_how_well_it_continues_its_last_window(model, music, monkeypatch):
    given, graph = [], model.graph
    score = graph.transitions_from
    monkeypatch.setattr(graph, "transitions_from", lambda window, *how: given.append(window) or score(window, *how))
    prefix = graph.motion[:3] + np.float32(0.1)  # not units
    tokens, motion, _ = select(model, music, prefix=prefix)
    np.testing.assert_array_equal(given, prefix[2:])
    np.testing.assert_array_equal(motion[:3], prefix)
    np.testing.assert_array_equal(tokens[:3], model.codebook.encode(prefix))
    unit_numbers(model, tokens[3:], motion[3:])


def at_tempo(model, tempo):
    """Return the model as if all its units came from music of one tempo."""
    units, profiles = (dataclasses.replace(part, tempo=np.full(len(part.tempo), tempo)) for part in
                       (model.units, model.profiles))  # fmt: skip
    return dataclasses.replace(model, units=units, profiles=profiles)


def test_half_time_halves_the_pace(model, music):
    fast, slow = (generate.dance(at_tempo(model, music["tempo"] / part), music, 0) for part in (1, 2))
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
        {"config": {"levels": 2}},
        {"codebook": {}},
        {"units": {}},
        {"motion_pca": {}},
    ):
        torch.save(parts | changed, tmp_path / "other.pt")
        with pytest.raises(UserError, match="not the parts of a 'music2pose' model") as fault:
            load_model(tmp_path / "other.pt")
        assert "\n" not in str(fault.value)
