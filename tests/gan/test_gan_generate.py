import dataclasses

import numpy as np
import pytest
import torch

from learn2dance.data import data_root, npz
from learn2dance.errors import UserError
from learn2dance.gan import dataset, generate, pose_folder, pose_space, pose_training
from learn2dance.gan.conditioning import FEATURES, STEPS
from learn2dance.gan.generate import GanModel
from learn2dance.gan.pose_networks import PoseConfig
from learn2dance.gan.sequence_networks import NOISE, SequenceConfig
from learn2dance.motion import travel, travel_model
from learn2dance.motion.travel_model import TravelModel
from learn2dance.music import features
from learn2dance.music import styles as music_styles


@pytest.fixture(scope="module")
def model(gan):
    return generate.load(gan)


@pytest.fixture(scope="module")
def songs(trained):
    root = data_root.open_root(trained)
    return [npz.load(root.file("music", clip), "music") for clip in root.split("test", root.have("music"))]


TRAVEL = TravelModel((0.2, 0.8), (-0.02, -0.03), (0.5, 0.0), (0.3, 0.02))


def random_poses(count, joints, seed=0):
    """Return poses (N, J, 2) whose joints are anywhere, except for the root."""
    poses = np.random.default_rng(seed).normal(size=(count, joints, 2)) / 3
    return (poses - (poses[:, 8:9] if joints in (15, 25) else poses.mean(1, keepdims=True))).astype(np.float32)


def untaught(joints=9, styles=(), music=False, top_speed=1e9, clips=()):
    """Return an untrained GAN, whose predictions depend on all that it is shown, as after training."""
    space = pose_space.fit(random_poses(300, joints), mirrored=False)
    poses, config = PoseConfig(joints, styles, space.latent, 16, 1), SequenceConfig(music, 8, width=32, channels=8)
    torch.manual_seed(0)
    networks = generate.build(config, poses)
    networks["space"].load_state_dict(space.state_dict())
    with torch.no_grad():
        for parameter in networks["generator"].parameters():
            parameter += 0.05 * torch.randn(parameter.shape)
        networks["generator"].leave.weight.mul_(3)  # motion as large as after training
    networks = networks.eval().requires_grad_(False)
    return GanModel(config, poses, networks, music_styles.collect(styles, list(clips)), top_speed, TRAVEL)


def taught(gan, predict):
    """Return the GAN with another generator: ``predict(codes, time, given, features, style)``."""

    class Generator(torch.nn.Module):
        def forward(self, *shown):
            return predict(*shown)

    parts = dict(gan.networks.items()) | {"generator": Generator()}
    return dataclasses.replace(gan, networks=torch.nn.ModuleDict(parts))


def test_a_loaded_model_generates_the_same_dance(model, songs, tmp_path):
    generate.save(tmp_path / "copy.pt", model, step=3)
    loaded = generate.load(tmp_path / "copy.pt")
    expected, found = (generate.dance(gan, songs[0], 3) for gan in (model, loaded))
    np.testing.assert_array_equal(found["poses"], expected["poses"])
    assert loaded.top_speed == model.top_speed and loaded.styles == model.styles
    np.testing.assert_equal(dataclasses.asdict(loaded.profiles), dataclasses.asdict(model.profiles))


def test_what_is_saved_is_what_was_trained(model, gan, trained):
    opened = pose_folder.open_folder(trained / "poses")
    reader = dataset.DanceReader(opened)
    dances = [reader(name) for name in opened.train]
    speeds = [np.linalg.norm(np.diff(dance.poses, axis=0), axis=-1).max(1) * dance.fps for dance in dances]
    speeds = np.concatenate(speeds)
    slower = np.nanmean(speeds[np.isfinite(speeds)] <= model.top_speed)
    assert slower == pytest.approx(0.999, abs=1.5 / len(speeds)) and set(model.styles) == {"waltz", "chacha", "disco"}
    paths = [(dance.poses, dance.path, dance.fps) for dance in dances]
    assert model.travel == travel_model.fit(paths) and np.isfinite(paths[0][1]).all() and model.config.music
    space, poses = pose_training.load_poses(gan.with_name("pose_gan.pt"))  # which come along, in half precision
    for part, expected in ((model.networks["space"], space), (model.networks["pose_generator"], poses)):
        for key, value in expected.state_dict().items():
            torch.testing.assert_close(part.state_dict()[key], value.half().float(), atol=0, rtol=0)


def test_checkpoints_of_other_shapes_are_refused(gan, trained, tmp_path):
    parts = torch.load(gan, weights_only=True)
    for changed in (
        {"config": parts["config"] | {"width": 64}},
        {"config": {"wide": 3}},
        {"poses": {"joints": 15}},
        {"network": {}},
        {"profiles": {}},
        {"travel": {"memory": (0.0, 0.0)}},
    ):
        torch.save(parts | changed, tmp_path / "other.pt")
        with pytest.raises(UserError, match="not the parts of a 'seq_gan' model") as fault:
            generate.load(tmp_path / "other.pt")
        assert "\n" not in str(fault.value)
    with pytest.raises(UserError, match="expected a 'seq_gan' checkpoint, found 'music2pose'"):
        generate.load(trained / "models" / "music2pose.pt")


def test_a_dance_lasts_as_long_as_the_song(model, songs):
    dance = generate.dance(model, songs[0], seed=0)
    assert dance["poses"].shape == (np.ceil(songs[0]["duration"] * 30), 15, 2) and dance["fps"] == 30
    assert dance["poses"].dtype == np.float32 and np.isfinite(dance["poses"]).all()
    assert dance["beats"][0] <= 0 and dance["beats"][-1] >= songs[0]["duration"]
    assert np.abs(dance["poses"][0, 8]).max() < 1e-5 and dance["nearer"][0] == 0  # the MidHip starts at the origin


def test_a_dance_travels_within_the_stage(model, songs):
    for stage in (2.0, 12.0):
        dances = [generate.dance(model, songs[0], seed, stage=stage) for seed in range(3)]
        for dance in dances:
            across = dance["poses"][:, 8, 0]
            assert 0.05 < np.abs(across).max() <= stage / 2 and np.ptp(dance["nearer"]) > 0
            assert np.abs(dance["nearer"]).max() <= travel.DEPTH / 2 + 1e-6
        assert (dances[0]["poses"][:, 8] != dances[1]["poses"][:, 8]).any()


def test_dances_depend_on_seed_song_and_style(model, songs):
    def difference(one, other):
        count = min(len(one["poses"]), len(other["poses"]))
        return np.abs(one["poses"][:count] - other["poses"][:count]).max()

    first, same, other = (generate.dance(model, songs[0], seed, "waltz") for seed in (1, 1, 2))
    assert difference(first, same) == 0 < difference(first, other)
    assert difference(first, generate.dance(model, songs[1], 1, "waltz")) > 0
    assert difference(first, generate.dance(model, songs[0], 1, "disco")) > 0
    silence = songs[0] | {key: 0 * songs[0][key] for key in ("mel", "chroma", "onset", "rms")}
    assert difference(first, generate.dance(model, silence, 1, "waltz")) > 0


@pytest.mark.parametrize("seconds", [0.1, 3.0, 90.0])
def test_without_music_the_dance_has_the_given_length(seconds):
    found = generate.dance(untaught(), None, 0, seconds=seconds)
    assert found["poses"].shape == (round(seconds * 30), 9, 2) and np.isfinite(found["poses"]).all()
    assert not len(found["beats"])


def test_noise_becomes_the_predicted_codes():
    """Here they are the same for all steps, those of one pose."""
    gan, pose = untaught(), random_poses(1, 9, seed=1)
    code = gan.networks["space"].encode(torch.from_numpy(pose))[0]
    certain = taught(gan, lambda codes, *_: code.expand_as(codes))
    found = generate.generate_steps(certain, np.zeros((2, 5, FEATURES), np.float32), np.zeros(2, np.int64), 0)
    assert found.shape == (2, 5 * STEPS, 9, 2) and found.dtype == np.float32
    np.testing.assert_allclose(found, np.broadcast_to(pose, found.shape), atol=1e-4)


def test_the_generator_is_shown_the_beats_the_style_and_no_given_code():
    gan, shown = untaught(styles=("a", "b")), []
    features = np.random.default_rng(0).normal(size=(2, 5, FEATURES)).astype(np.float32)
    style = np.array([2, 1])

    def predict(codes, time, given, beats, label):
        shown.append((codes.shape, float(time[0]), bool(given.any()), label.tolist()))
        assert torch.equal(beats, torch.from_numpy(features)) and (time == time[0]).all()
        return 0 * codes

    generate.generate_steps(taught(gan, predict), features, style, 0)
    assert {shape for shape, *_ in shown} == {(2, 5 * STEPS, gan.poses.latent)}
    assert shown[0][1] == 1 and not any(given for *_, given, _ in shown)
    assert {tuple(label) for *_, label in shown} == {(2, 1), (0, 0)}  # with the style and without


def test_predictions_move_away_from_those_without_a_style():
    """Codes are 1 with the style and 0.5 without."""
    gan = untaught(styles=("a",))
    certain = taught(gan, lambda codes, time, given, beats, label: (0.5 + 0.5 * label[:, None, None]).expand_as(codes))
    steps = generate.generate_steps(certain, np.zeros((1, 3, FEATURES), np.float32), np.array([1]), 0)
    codes = gan.networks["space"].encode(torch.from_numpy(steps))
    torch.testing.assert_close(codes, torch.full_like(codes, 1 + 0.5 * generate.GUIDANCE), atol=1e-4, rtol=1e-4)


def test_known_steps_are_shown_without_noise_and_predictions_are_moved_to_known_joints():
    gan, known, seen = untaught(), np.full((1, 3 * STEPS, 9, 2), np.nan, np.float32), []
    known[0, 5:15] = random_poses(10, 9, seed=3)
    known[0, 20, :4] = random_poses(1, 9, seed=4)[0, :4]  # some joints: the step is not given
    codes = gan.networks["space"].encode(torch.from_numpy(known[:, 5:15]))

    def predict(noisy, time, given, beats, label):
        seen.append(given[0].nonzero().ravel().tolist())
        torch.testing.assert_close(noisy[:, 5:15], codes)
        return 0 * noisy

    found = generate.generate_steps(
        taught(gan, predict), np.zeros((1, 3, FEATURES), np.float32), np.array([0]), 0, known=known
    )
    assert all(steps == list(range(5, 15)) for steps in seen) and seen
    mean = gan.networks["space"].decode(torch.zeros(gan.poses.latent)).numpy()
    np.testing.assert_allclose(found[0, 5:15], known[0, 5:15], atol=1e-4)
    share = (1 - (5 - np.arange(5)) / (generate.FADE * STEPS))[:, None, None]  # before them the offset fades out
    np.testing.assert_allclose(found[0, :5], mean + share * (known[0, 5] - mean), atol=1e-4)
    np.testing.assert_allclose(found[0, 20, :4], known[0, 20, :4], atol=0.3)


def test_steps_are_free_away_from_given_ones():
    given = np.zeros(100, bool)
    given[40:50] = True
    free = generate.freedom(given)
    near, far = int(generate.NEAR * STEPS), int(generate.FAR * STEPS)
    assert (free[40 - near : 50 + near] == 0).all() and (free[: 40 - far] == 1).all() and (free[49 + far :] == 1).all()
    assert (np.diff(free[49 + near : 50 + far]) > 0).all() and free.dtype == np.float32
    assert (generate.freedom(np.zeros(9, bool)) == 1).all() and (generate.freedom(np.ones(9, bool)) == 0).all()


def test_a_pose_that_lacks_few_joints_is_given():
    gan, seen = untaught(15), []
    known = np.full((1, 2 * STEPS, 15, 2), np.nan, np.float32)
    known[0, :4] = random_poses(4, 15)
    known[0, 1, 2:5], known[0, 2, 2:6] = np.nan, np.nan

    def predict(noisy, time, given, beats, label):
        seen.append(given[0].tolist())
        return 0 * noisy

    generate.generate_steps(taught(gan, predict), np.zeros((1, 2, FEATURES), np.float32), np.array([0]), 0, known=known)
    assert all(steps == [True, True, False, True] + [False] * 12 for steps in seen) and seen


def test_the_spread_scales_the_noise():
    """Normal codes of mean 0: the best prediction is linear in the code, and so is the whole way."""
    gan = untaught()

    def predict(codes, time, *_):
        t = time[:, None, None]
        return (1 - t) / ((1 - t) ** 2 + (NOISE * t) ** 2) * codes

    def codes(seed, spread):
        features, style = np.zeros((3, 40, FEATURES), np.float32), np.zeros(3, np.int64)
        steps = generate.generate_steps(taught(gan, predict), features, style, seed, spread)
        return gan.networks["space"].encode(torch.from_numpy(steps))

    usual = codes(0, 1.0)
    assert usual.mean().abs() < 0.05 and usual.std().item() == pytest.approx(1, abs=0.1)
    torch.testing.assert_close(codes(0, 0.5), 0.5 * usual, atol=1e-4, rtol=1e-3)
    assert codes(0, 0.0).abs().max() < 1e-4 and (codes(1, 1.0) - usual).abs().mean() > 0.5


def centred(poses):
    """Return poses whose joints' centre is the origin in every frame."""
    return poses - poses.mean(1, keepdims=True)


def test_no_step_is_above_the_top_speed():
    """Of the body, relative to its centre: the travel is not limited."""
    free = centred(generate.dance(untaught(), None, 0, seconds=40)["poses"])
    speed = np.linalg.norm(np.diff(free, axis=0), axis=-1).max(1) * 30
    most = float(np.quantile(speed, 0.8))
    held = centred(generate.dance(untaught(top_speed=most), None, 0, seconds=40)["poses"])
    assert (np.linalg.norm(np.diff(held, axis=0), axis=-1).max(1) * 30).max() <= 1.001 * most < speed.max()
    assert held.shape == free.shape


def test_the_style_is_chosen_by_metre_and_tempo_unless_given(songs):
    rows = (("rumba", 100.0, 4), ("samba", 130.0, 4), ("waltz", 90.0, 3))
    unknown = {"character": [np.nan] * 4, "danced": 100}
    clips = [dict(zip(("style", "tempo", "beats_per_bar"), row, strict=True)) | unknown for row in rows]
    gan = untaught(styles=("rumba", "samba", "waltz"), clips=clips)

    def chosen(tempo, metre, style=None):
        return gan.choose_style(songs[0] | {"tempo": tempo, "beats_per_bar": metre}, style)[1]

    assert [chosen(105.0, 4), chosen(125.0, 4), chosen(130.0, 3), chosen(105.0, 4, "samba")] == [1, 2, 3, 2]
    assert chosen(105.0, 4, "polka") == 1  # unknown
    fast = songs[0] | {"tempo": 190.0, "beats_per_bar": 4, "downbeat": 2}
    np.testing.assert_array_equal(gan.choose_style(fast, "rumba")[0]["beats"], fast["beats"][::2])  # in half time
    without = dataclasses.replace(gan, profiles=music_styles.collect(gan.styles, []))
    assert without.choose_style(fast, "samba")[1] == 2 and without.choose_style(fast, None)[1] == 1
    assert untaught().choose_style(fast, None)[1] == 0


def test_a_model_trained_without_music_accepts_music(songs):
    found = generate.dance(untaught(), songs[0], 0)
    assert len(found["poses"]) == np.ceil(songs[0]["duration"] * features.FPS)
