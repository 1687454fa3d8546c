import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d
from test_motion_features import STANDING, swinging

from learn2dance.metrics import distribution, motion_features
from learn2dance.metrics.distribution import (
    diversity,
    frechet,
    frozen,
    multimodality,
    nearest_training_distance,
    precision_recall,
)
from learn2dance.motion import kinematics, skeleton, windows

REACH = np.array([4, 1.5, 2, 4, 8, 2, 4, 8, 0, 0.5, 3, 5, 0.5, 3, 5])[:, None] / 8  # hips sway less than hands


def dances(seed, count=60, seconds=8.0, fps=25):
    """Dances for these tests: every joint sways by a few sines below 1.5 Hz, each dance's own."""
    rng, t = np.random.default_rng(seed), np.arange(int(seconds * fps)) / fps
    found = []
    for _ in range(count):
        rate = rng.uniform(0.3, 1.5, (6, 1, 1, 1))
        size = 0.2 * rng.uniform(0.2, 1, (6, 1, 15, 2)) * REACH
        phase = rng.uniform(0, 2 * np.pi, (6, 1, 15, 2))
        found.append(STANDING + (size * np.sin(2 * np.pi * rate * t[:, None, None] + phase)).sum(0))
    return found


def kinetic(poses):
    return np.concatenate([motion_features.kinetic(motion_features.cut(kinematics.low_pass(p, 25))[0]) for p in poses])


@pytest.fixture(scope="module")
def fid_and_floor():
    """Return FID_k against a reference as a function of dances, and its floor: other dances of the same kind."""
    mean, deviation = distribution.scale(kinetic(dances(0)))

    def fid(poses):
        return frechet((kinetic(poses) - mean) / deviation, (kinetic(dances(0)) - mean) / deviation)

    return fid, fid(dances(1))


def test_frechet_is_zero_for_itself_and_known_for_gaussians():
    rng = np.random.default_rng(0)
    a = rng.standard_normal((50, 8))
    assert frechet(a, a) == pytest.approx(0, abs=1e-9)
    assert frechet(a, a + [3, 4, 0, 0, 0, 0, 0, 0]) == pytest.approx(25)
    white = (a - a.mean(0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(a.T))).T  # covariance exactly the identity
    assert frechet(white, 3 * white) == pytest.approx(8 * (3 - 1) ** 2)
    # Two covariances that do not commute: tr (C_a C_b)^½ is the sum of the roots of the product's eigenvalues.
    one, two = np.diag([1.0, 4.0]), np.array([[2.0, 1.0], [1.0, 2.0]])
    expected = np.trace(one + two) - 2 * np.sqrt(np.linalg.eigvals(one @ two)).sum()
    first, second = (white[:, :2] @ np.linalg.cholesky(c).T for c in (one, two))
    assert frechet(first, second) == pytest.approx(expected)


def test_fid_of_other_real_dances_is_low(fid_and_floor):
    fid, floor = fid_and_floor
    assert fid(dances(0)) == pytest.approx(0, abs=1e-6) and 0 < floor < 30


@pytest.mark.parametrize("spoil", ["jitter", "smooth", "freeze"])
def test_fid_is_clearly_worse_for_what_is_no_dance(fid_and_floor, spoil):
    fid, floor = fid_and_floor
    rng = np.random.default_rng(2)
    spoilt = {
        "jitter": lambda p: p + 0.005 * rng.standard_normal(p.shape),
        "smooth": lambda p: gaussian_filter1d(p, 5, axis=0),
        "freeze": lambda p: np.repeat(p[:1], len(p), 0),
    }[spoil]
    assert fid([spoilt(p) for p in dances(1)]) > 2 * floor


def test_real_dances_jittered_smoothed_or_frozen_are_clearly_worse(shared):
    """The same on captured dances, where the reference's own jitter could hide the rest."""
    truth = [np.load(p) for p in sorted((shared / "ballroom" / "truth").glob("W_*.npz"))[:12]]
    from learn2dance.motion.skeleton import normalise

    poses = [normalise(t["poses"][:, :15].astype(float), float(t["fps"])) for t in truth]
    a, b = poses[::2], poses[1::2]
    mean, deviation = distribution.scale(kinetic(b))

    def fid(generated):
        return frechet((kinetic(generated) - mean) / deviation, (kinetic(b) - mean) / deviation)

    rng, floor = np.random.default_rng(0), fid(a)
    assert fid([p + 0.005 * rng.standard_normal(p.shape) for p in a]) > 1.3 * floor
    assert fid([gaussian_filter1d(p, 5, axis=0) for p in a]) > 1.3 * floor
    assert fid([np.repeat(p[:1], len(p), 0) for p in a]) > 1.3 * floor


def test_precision_and_recall():
    rng = np.random.default_rng(0)
    real = rng.uniform(0, 1, (400, 2))
    assert precision_recall(real, real) == (1, 1)
    assert precision_recall(real, real + 10) == (0, 0)
    precision, recall = precision_recall(real, rng.uniform(0, 1, (400, 2)) * [0.5, 1])  # half of the support
    assert precision > 0.9 and recall == pytest.approx(0.5, abs=0.08)
    precision, recall = precision_recall(real, rng.uniform(0, 1, (800, 2)) * [2, 1])  # twice the support
    assert precision == pytest.approx(0.5, abs=0.08) and recall > 0.9


def test_manifold_by_hand():
    line = np.array([[0.0], [1], [3], [7]])
    radii = distribution.manifold_radii(line, k=1)
    np.testing.assert_array_equal(radii, [1, 1, 2, 4])
    inside = distribution.in_manifold(np.array([[-1.0], [4], [11.5]]), line, radii)
    np.testing.assert_array_equal(inside, [[1, 0, 0, 0], [0, 0, 1, 1], [0, 0, 0, 0]])


def test_variety():
    assert diversity(np.array([[0.0, 0], [3, 4], [0, 0]])) == pytest.approx(10 / 3)
    dance = np.random.default_rng(0).standard_normal((10, 5))
    assert multimodality([dance, dance]) == 0
    assert multimodality([dance, dance + [3, 4, 0, 0, 0], dance]) == pytest.approx(10 / 3)
    assert np.isnan(multimodality([dance])) and np.isnan(diversity(dance[:1]))


def test_jerk_and_top_speed_are_analytic():
    motion = kinematics.low_pass(swinging(40, amplitude=0.3), 25)[100:-100]
    rate = 2 * np.pi
    assert distribution.jerk(motion) == pytest.approx(0.3 * rate**3 * 2 / np.pi / 14, rel=0.03)  # one joint of 14 moves
    assert distribution.top_speed(motion) == pytest.approx(0.3 * rate, rel=0.02)


def test_frozen_is_the_share_of_frames_without_motion():
    poses = swinging(40, amplitude=0.5, frequency=2.0)
    poses[500:] = poses[500]
    assert frozen(kinematics.low_pass(poses, 25)) == pytest.approx(
        0.5 + 0.5 * 2 / np.pi * np.arcsin(0.25 / np.pi / 2), abs=0.02
    )
    assert frozen(kinematics.low_pass(np.repeat(poses[:1], 100, 0), 25)) == 1
    # A slow dancer is not a frozen one: 0.5 torso lengths a second.
    assert frozen(STANDING + np.arange(100)[:, None, None] / 25 * 0.5 * (np.arange(15)[:, None] == 4)) == 0


def test_limbs_show_a_wrong_body():
    poses = np.concatenate(dances(0, count=2))
    longer = poses.copy()
    longer[:, 4] += 0.5 * (poses[:, 4] - poses[:, 3])
    ratios = distribution.limb_lengths(longer) / distribution.limb_lengths(poses)
    assert sorted(np.round(ratios, 6))[:-1] == [1.0] * 13 and ratios.max() == pytest.approx(1.5)


def test_copies_are_found_mirrored_and_at_another_tempo():
    train, held = dances(0, count=4, seconds=30), dances(1, count=1, seconds=30)[0]
    beats = np.arange(0, 30, 0.5)
    known = np.concatenate([windows.cut(p, 25, beats)[0] for p in train])
    copied = nearest_training_distance(known[:20], known)
    assert copied.max() < 1e-2
    mirrored = np.concatenate([windows.cut(skeleton.mirror(p), 25, beats)[0] for p in train])
    assert nearest_training_distance(mirrored[:20], known).max() < 1e-2
    slower = windows.cut(train[0], 20, beats * 25 / 20)[0]  # the same frames, played slower to a slower song
    assert nearest_training_distance(slower, known).max() < 1e-2
    assert nearest_training_distance(known[:20] + 0.3, known).max() == pytest.approx(0.3 * np.sqrt(2), rel=0.05)
    assert nearest_training_distance(windows.cut(held, 25, beats)[0], known).min() > 0.1


def test_the_style_classifier_separates_fast_from_slow_and_ignores_their_frequency():
    fast = kinetic([swinging(frequency=2.0, amplitude=a) for a in np.linspace(0.2, 0.4, 3)])
    slow = kinetic([swinging(frequency=0.7, amplitude=a) for a in np.linspace(0.2, 0.4, 30)])
    classifier = distribution.style_classifier(
        np.concatenate([fast, slow]), np.array(["fast"] * len(fast) + ["slow"] * len(slow))
    )
    assert (classifier.predict(kinetic([swinging(frequency=1.9)])) == "fast").all()
    assert (classifier.predict(kinetic([swinging(frequency=0.8)])) == "slow").all()
