import dataclasses

import numpy as np
import pytest
import torch

from learn2dance.data import data_root, npz
from learn2dance.errors import UserError
from learn2dance.gan import dataset, generate, pose_folder
from learn2dance.gan.generate import GanModel
from learn2dance.gan.pose_networks import PoseConfig
from learn2dance.gan.sequence_networks import SequenceConfig
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


def untaught(joints=9, styles=(), music=0, top_speed=1e9, clips=()):
    """Return an untrained GAN, whose steps are as large as after training."""
    torch.manual_seed(0)
    poses, config = PoseConfig(joints, styles, 4, 16, 1), SequenceConfig(music=music, width=16, channels=8, noise=4)
    networks = generate.build(config, poses).eval().requires_grad_(False)
    networks["generator"].shift[-1].weight.mul_(30)
    return GanModel(config, poses, networks, None, music_styles.collect(styles, list(clips)), top_speed, TRAVEL)


def test_a_loaded_model_generates_the_same_dance(model, songs, tmp_path):
    generate.save(tmp_path / "copy.pt", model, step=3)
    loaded = generate.load(tmp_path / "copy.pt")
    expected, found = (generate.dance(gan, songs[0], 3) for gan in (model, loaded))
    np.testing.assert_array_equal(found["poses"], expected["poses"])
    assert loaded.top_speed == model.top_speed and loaded.styles == model.styles
    np.testing.assert_equal(dataclasses.asdict(loaded.profiles), dataclasses.asdict(model.profiles))


def test_what_is_saved_is_what_was_trained(model, trained):
    opened = pose_folder.open_folder(trained / "poses")
    reader = dataset.DanceReader(opened, model.config.fps)
    dances = [reader(name).poses for name in opened.train]
    steps = np.concatenate([np.linalg.norm(np.diff(poses, axis=0), axis=-1).max(1) for poses in dances])
    slower = np.nanmean(steps[np.isfinite(steps)] * model.config.fps <= model.top_speed)
    assert slower == pytest.approx(0.999, abs=1.5 / len(steps)) and set(model.styles) == {"waltz", "chacha", "disco"}
    assert torch.equal(model.music_pca.components, reader.music_pca.components)
    paths = [(dance.poses, dance.path) for dance in map(reader, opened.train)]
    assert model.travel == travel_model.fit(paths, model.config.fps) and np.isfinite(paths[0][1]).all()


def test_checkpoints_of_other_shapes_are_refused(gan, trained, tmp_path):
    parts = torch.load(gan, weights_only=True)
    for changed in (
        {"config": parts["config"] | {"width": 64}},
        {"config": {"wide": 3}},
        {"poses": {"joints": 15}},
        {"network": {}},
        {"music_pca": {"mean": 0}},
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
            assert 0.2 < np.abs(across).max() <= stage / 2 and np.ptp(dance["nearer"]) > 0
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


def test_a_long_dance_begins_like_a_short_one():
    """Later steps have no effect on earlier ones, and dances are not generated in windows."""
    long, short = (generate.dance(untaught(), None, 4, seconds=seconds)["poses"] for seconds in (60, 10))
    np.testing.assert_allclose(long[:240], short[:240], atol=1e-3)  # the end affects a few steps of the spline
    assert np.abs(long[-300:] - short[-300:]).max() > 0.01


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


def test_between_the_steps_the_path_is_smooth():
    """A path that is a cubic in time is that cubic at any time."""
    clock, frames = np.arange(30) / 15, np.arange(58) / 30
    path = torch.from_numpy(np.stack([clock**3 - clock, 2 - clock], 1).astype(np.float32))
    found = generate.resample_path(path, 15.0, 58, 30.0).numpy()
    np.testing.assert_allclose(found, np.stack([frames**3 - frames, 2 - frames], 1), atol=1e-4)
    assert generate.resample_path(path[:2], 15.0, 5, 30.0).shape == (5, 2)


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
