import numpy as np
import pytest
from test_gan_generate import untaught
from test_motion_features import swinging

from learn2dance.evaluation import completion_benchmark
from learn2dance.gan import completion
from learn2dance.gan.dataset import Dance
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


def test_pieces_are_cut_where_all_joints_are_known_with_their_music():
    who = untaught(15, music=3)
    motion = swinging(20).astype(np.float32)
    motion[:, :, 1] += np.arange(500)[:, None]
    motion[100, 3] = np.nan
    music = np.repeat(np.arange(300, dtype=np.float32)[:, None], 3, 1)
    found = completion_benchmark.segments(
        who, [(motion, Dance("a", np.zeros((300, 15, 2)), np.zeros((300, 3)), music, 2))]
    )
    size = found["poses"].shape[1]
    assert size == 82 and (np.arange(size)[-1] / 25) <= 49 / 15  # what 50 steps of a fifteenth of a second hold
    frames = found["poses"][:, :, 8, 1]
    np.testing.assert_allclose(frames[:, 0], [0, 164, 246, 328, 410])  # not the one from 82 on, where a joint is lost
    assert (np.diff(frames, axis=1) == 1).all() and (found["style"] == 2).all() and (found["clip"] == "a").all()
    np.testing.assert_allclose(found["music"][:, 0, 0], frames[:, 0] / 25 * 15, atol=0.5)
    assert found["music"].shape == (5, 50, 3)
    closer = completion_benchmark.segments(
        who, [(motion, Dance("a", np.zeros((300, 15, 2)), np.zeros((300, 3)), music, 2))], hop=40
    )
    assert len(closer["poses"]) > len(found["poses"])


def test_the_gan_is_compared_with_the_baselines(monkeypatch):
    optimise = completion.optimise
    monkeypatch.setattr(completion, "optimise", lambda *given: optimise(*given, steps=3))
    real, train = pieces(6), pieces(30, seed=1)
    asked = {"poses": real, "music": np.zeros((6, 50, 0), np.float32), "style": np.zeros(6, np.int64)}
    asked["clip"] = np.array(["a", "b"] * 3)
    found = completion_benchmark.compare(untaught(15), asked, train, 0)
    assert set(found) == {"gap", "continuation"}
    for methods in found.values():
        assert set(methods) == {"GAN", "interpolation", "last pose", "nearest"}
        assert all(np.isfinite(value).all() for row in methods.values() for value in row.values())
        assert methods["GAN"]["given_error"][0] > 0 and "given_error" not in methods["nearest"]
    # With the end known, interpolation is nearer than the last pose held; without, both are the same.
    gap, after = found["gap"], found["continuation"]
    assert gap["interpolation"]["error"][0] < gap["last pose"]["error"][0]
    assert after["interpolation"]["error"] == pytest.approx(after["last pose"]["error"], rel=1e-5)
