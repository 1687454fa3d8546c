import numpy as np
import pytest
from test_gan_generate import taught, untaught
from test_motion_features import swinging

from learn2dance.data import npz
from learn2dance.evaluation import completion_benchmark
from learn2dance.gan import dataset, pose_folder
from learn2dance.gan.conditioning import FEATURES, Timeline, uniform
from learn2dance.motion import skeleton

CLIPS = np.array(["a"] * 4 + ["b"] * 8)  # of the pieces


def pieces(count, seed=0):
    """Return real-looking pieces (N, 82, 15, 2) whose wrists and knees swing each at their own pace."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        swings = [swinging(82 / 25, amplitude=rng.uniform(0.1, 0.6), frequency=rng.uniform(0.3, 1.5)) for _ in "RL"]
        found.append(sum(swings)[:82] / 2 + rng.normal(scale=0.1, size=(1, 15, 2)))
    return np.array(found, np.float32)


def test_one_second_is_removed():
    out = completion_benchmark.tasks(82)
    assert {name: (part.start, part.stop) for name, part in out.items()} == {"gap": (28, 53), "continuation": (57, 82)}


def test_the_truth_has_no_error():
    real = pieces(12)
    for out in completion_benchmark.tasks(82).values():
        found = completion_benchmark.score(real, real, out, CLIPS, 0)
        assert found["error"] == [0, 0, 0] and found["FID_k"] == pytest.approx([0, 0, 0], abs=1e-3)


def test_error_is_the_mean_distance_of_the_removed_joints():
    real, out = pieces(12), slice(28, 53)
    wrong = real.copy()
    wrong[:, :28] += 9  # given frames are not scored
    wrong[:, out, 1:8] += [0.3, 0.4]  # half of the 14 joints that are not the origin
    found = completion_benchmark.score(wrong, real, out, CLIPS, 0)["error"]
    assert found == pytest.approx([0.25] * 3, abs=1e-5)
    wrong[CLIPS == "a"] = real[CLIPS == "a"]  # a third of the pieces, and one of two clips
    value, low, high = completion_benchmark.score(wrong, real, out, CLIPS, 0)["error"]
    assert value == pytest.approx(0.125, abs=1e-5) and low == 0 and high == pytest.approx(0.25, abs=1e-5)
    still = completion_benchmark.score(completion_benchmark.hold_last(real, out), real, out, CLIPS, 0)
    rng = np.random.default_rng(0)
    shaken = real.copy()
    shaken[:, out] += rng.normal(scale=0.05, size=shaken[:, out].shape)
    shaken = completion_benchmark.score(shaken, real, out, CLIPS, 0)
    assert still["FID_k"][0] > 0.5 and shaken["FID_k"][0] > 10 * still["FID_k"][0]


def test_the_last_pose_is_held():
    real = pieces(3)
    given = real.copy()
    given[:, 28:53] = np.nan
    found = completion_benchmark.hold_last(given, slice(28, 53))
    np.testing.assert_array_equal(found[:, 28:53], np.repeat(real[:, 27:28], 25, 1))
    np.testing.assert_array_equal(found[:, 53:], real[:, 53:])
    assert np.isnan(given[:, 30]).all()


@pytest.mark.parametrize("out", [slice(28, 53), slice(57, 82)])
def test_the_nearest_piece_is_found_and_its_mirror_image_too(out):
    real, train = pieces(4), pieces(2100, seed=1)  # more than are compared at once
    train[[5, 2050]] = real[[1, 2]]
    train[700] = skeleton.mirror(real[3])
    train[[5, 2050, 700]] += 1e-3
    given = real.copy()
    given[:, out] = np.nan
    found = completion_benchmark.nearest(given, out, train)
    np.testing.assert_allclose(found[1:], real[1:], atol=3e-3)
    known = np.ones(82, bool)
    known[out] = False
    np.testing.assert_array_equal(found[0, known], real[0, known])
    both = np.concatenate([train, [skeleton.mirror(piece) for piece in train]])
    best = np.square(both[:, known] - real[0, known]).sum((1, 2, 3)).argmin()
    np.testing.assert_allclose(found[0, out], both[best, out], atol=1e-6)


def walking(path, seconds=20, fps=25.0, lost=100):
    """Write a folder with one dance, whose wrists swing, and in one frame of which a joint is not known; open it."""
    poses = swinging(seconds + 1)[: seconds * 25].astype(np.float32)
    poses[lost, 3] = np.nan
    path.mkdir()
    np.savez(path / "a.npz", poses=100 + 50 * poses * [1, -1], fps=fps)
    return dataset.DanceReader(pose_folder.open_folder(path))


def test_pieces_are_cut_where_all_joints_are_known(tmp_path):
    reader = walking(tmp_path / "x")
    found = completion_benchmark.segments(reader, ["a"], 15)
    size = completion_benchmark.PIECE
    assert found["poses"].shape == (len(found["start"]), size, 15, 2) and found["poses"].dtype == np.float32
    # Not the piece from 82 on, where a joint is lost.
    assert found["start"].tolist() == [start for start in range(0, 500 - size, size) if not start <= 100 < start + size]
    assert (found["style"] == 0).all() and (found["clip"] == "a").all() and np.isfinite(found["poses"]).all()
    closer = completion_benchmark.segments(reader, ["a"], 15, hop=40)
    assert len(closer["poses"]) > len(found["poses"]) and set(np.diff(closer["start"])) <= {40, 120, 160}
    shared = np.flatnonzero(closer["start"] == 0)[0]
    np.testing.assert_array_equal(closer["poses"][shared], found["poses"][0])


def test_pieces_have_the_beats_of_their_time(trained):
    """The first frame of a piece is at 0 s, and its last frame within the last beat."""
    opened = pose_folder.open_folder(trained / "poses")
    reader = dataset.DanceReader(opened)
    pieces = completion_benchmark.segments(reader, opened.val, 15)
    lines = completion_benchmark.timelines(reader, pieces, slice(28, 53))
    assert len(lines) == len(pieces["start"]) > 2
    for line, clip, start in zip(lines, pieces["clip"], pieces["start"], strict=True):
        assert line.beats[0] <= 0 < line.beats[1] and line.beats[-2] < 81 / 25 <= line.beats[-1] + 1e-9
        beats = npz.load(trained / "music" / f"{clip}.npz", "music")["beats"]
        tempo = np.median(np.diff(beats))
        assert np.median(np.diff(line.beats)) == pytest.approx(tempo, rel=0.06) and line.features.any()
        np.testing.assert_array_equal(
            line.features[:, :7].argmax(1) >= 3,
            npz.load(trained / "music" / f"{clip}.npz", "music")["beats_per_bar"] == 4,
        )
        assert start % completion_benchmark.PIECE == 0


def test_removed_frames_do_not_tell_where_the_beats_are(trained, monkeypatch):
    opened = pose_folder.open_folder(trained / "poses")
    reader, seen = dataset.DanceReader(opened), []
    monkeypatch.setattr(reader, "timeline", lambda clip, poses, fps: seen.append((poses, fps)) or uniform(9.0))
    clip = opened.val[0]
    pieces = {"clip": np.array([clip]), "start": np.array([82])}
    completion_benchmark.timelines(reader, pieces, slice(28, 53))
    (poses, fps), (real, *_) = seen[0], pose_folder.read(opened, clip)
    clock = np.arange(len(real)) / fps
    removed = np.isnan(poses).all((1, 2))
    inside = (clock > (82 + 28.5) / 25) & (clock < (82 + 52.5) / 25)
    assert removed[inside].all() and not removed[(clock < 82.5 / 25 + 1) | (clock > (82 + 54) / 25)].any()
    np.testing.assert_array_equal(poses[~removed], real[~removed])


def test_pieces_with_different_numbers_of_beats_are_completed_alike_alone():
    """The generator is not shown any noise, so that a piece's place in its batch makes no difference."""
    gan = untaught(15)
    mean = taught(gan, lambda codes, *_: 0 * codes)
    given = pieces(3)
    given[:, 28:53] = np.nan
    lines = [Timeline(np.arange(n + 1) * 3.3 / n, np.zeros((n, FEATURES), np.float32)) for n in (6, 8, 6)]
    style = np.zeros(3, np.int64)
    found = completion_benchmark.fill_in(mean, given, lines, style, 0)
    for i in range(3):
        alone = completion_benchmark.fill_in(mean, given[i : i + 1], lines[i : i + 1], style[i : i + 1], 0)[0]
        np.testing.assert_allclose(found[i], alone, atol=1e-4)
    np.testing.assert_array_equal(found[:, :28], given[:, :28])
    assert np.isfinite(found).all()


@pytest.mark.parametrize("music", [False, True])
def test_a_gan_trained_without_music_is_shown_none(music):
    gan, shown = untaught(15, music=music), []

    def predict(codes, time, given, features, style):
        shown.append(bool(features.any()))
        return 0 * codes

    line = Timeline(np.arange(8) * 0.5, np.ones((7, FEATURES), np.float32))
    given = pieces(1)
    given[:, 28:53] = np.nan
    completion_benchmark.fill_in(taught(gan, predict), given, [line], np.zeros(1, np.int64), 0)
    assert set(shown) == {music} and line.features.all()


def test_the_gan_is_compared_with_the_baselines(tmp_path):
    real, train = pieces(6), pieces(30, seed=1)
    reader = walking(tmp_path / "x")
    asked = {"poses": real, "style": np.zeros(6, np.int64), "clip": np.array(["a"] * 6), "start": np.arange(6) * 60}
    found = completion_benchmark.compare(untaught(15), reader, asked, train, 0)
    assert set(found) == {"gap", "continuation"}
    for methods in found.values():
        assert set(methods) == {"GAN", "interpolation", "last pose", "nearest"}
        assert all(set(row) == {"error", "FID_k"} for row in methods.values())
        assert all(np.isfinite(row["error"]).all() and np.isfinite(row["FID_k"][0]) for row in methods.values())
    # With the end known, interpolation is nearer than the last pose held; without, both are the same.
    gap, after = found["gap"], found["continuation"]
    assert gap["interpolation"]["error"][0] < gap["last pose"]["error"][0]
    assert after["interpolation"]["error"] == pytest.approx(after["last pose"]["error"], rel=1e-5)
