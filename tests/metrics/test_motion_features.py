import numpy as np
import pytest

from learn2dance.metrics import motion_features
from learn2dance.motion import kinematics, skeleton
from learn2dance.motion.skeleton import BODY_15

WRIST, KNEE = BODY_15.index("RWrist"), BODY_15.index("RKnee")
STANDING = np.array(  # facing the camera, arms hanging, torso length 1, y up
    [(0, 1.4), (0, 1), (-0.3, 0.95), (-0.35, 0.4), (-0.35, -0.1), (0.3, 0.95), (0.35, 0.4), (0.35, -0.1), (0, 0)]
    + [(-0.15, 0), (-0.15, -0.8), (-0.15, -1.6), (0.15, 0), (0.15, -0.8), (0.15, -1.6)]
)


def swinging(seconds=20, fps=25, amplitude=0.3, frequency=1.0):
    poses = np.tile(STANDING, (int(seconds * fps), 1, 1))
    poses[:, WRIST, 0] += amplitude * np.sin(2 * np.pi * frequency * np.arange(len(poses)) / fps)
    return poses


def test_kinetic_features_of_a_sine_are_analytic_in_torso_lengths_and_seconds():
    windows, starts = motion_features.cut(kinematics.low_pass(swinging(amplitude=0.3, frequency=1.0), 25))
    found = motion_features.kinetic(windows).reshape(-1, 3, 14)
    wrist, rest = list(skeleton.MOVING).index(WRIST), np.delete(np.arange(14), list(skeleton.MOVING).index(WRIST))
    assert np.allclose(np.diff(starts), 2.0)
    # Windows away from the ends; differences of 1/25 s fall short of the derivative by 1% at 1 Hz.
    np.testing.assert_allclose(found[1:-1, 0, wrist], (0.3 * 2 * np.pi) ** 2 / 2, rtol=0.02)
    np.testing.assert_allclose(found[1:-1, 2, wrist], 0.3 * (2 * np.pi) ** 2 * 2 / np.pi, rtol=0.02)
    assert np.abs(found[:, 1]).max() < 1e-9 and np.abs(found[..., rest]).max() < 1e-9


def test_features_know_seconds_not_frames():
    rates = [
        motion_features.kinetic(motion_features.cut(kinematics.low_pass(swinging(fps=fps), fps))[0])[1:4]
        for fps in (25, 30, 60)
    ]
    np.testing.assert_allclose(rates[1], rates[0], rtol=0.01, atol=1e-6)
    np.testing.assert_allclose(rates[2], rates[0], rtol=0.01, atol=1e-6)


def test_where_the_dancer_stands_does_not_change_the_features():
    """The implementation that the field shares measures position where it should measure acceleration."""
    windows = motion_features.cut(kinematics.low_pass(swinging(), 25))[0]
    np.testing.assert_allclose(
        motion_features.kinetic(windows + [7.0, -3.0]), motion_features.kinetic(windows), atol=1e-6
    )


def test_a_dancer_who_crosses_the_floor_before_the_camera_has_the_same_features():
    poses = swinging()
    pixels = poses * [100, -100] + [640, 360]
    drift = np.stack([np.linspace(-500, 500, len(poses)), 30 * np.sin(np.arange(len(poses)) / 40)], axis=1)[:, None]
    seen = [
        motion_features.cut(kinematics.low_pass(skeleton.normalise(p, 25), 25))[0] for p in (pixels, pixels + drift)
    ]
    np.testing.assert_allclose(motion_features.kinetic(seen[1]), motion_features.kinetic(seen[0]), atol=1e-3)
    np.testing.assert_array_equal(motion_features.geometric(seen[1]), motion_features.geometric(seen[0]))


def test_windows_with_unknown_joints_are_left_out():
    poses = swinging()
    poses[150:153, WRIST] = np.nan  # 6.00-6.12 s
    motion = kinematics.low_pass(poses, 25)
    _, starts = motion_features.cut(motion)
    assert 2.0 in starts and 8.0 in starts and not {4.0, 6.0} & set(starts)
    assert np.isnan(kinematics.low_pass(np.full((100, 15, 2), np.nan), 25)).all()


def test_motion_above_the_cut_off_is_taken_out_without_lag():
    slow, fast = (kinematics.low_pass(swinging(frequency=f), 25)[50:-50, WRIST, 0] for f in (1.0, 11.0))
    np.testing.assert_allclose(slow, swinging(frequency=1.0)[50:-50, WRIST, 0], atol=1e-3)
    assert np.ptp(fast) < 0.02
    with pytest.raises(ValueError, match="12"):
        kinematics.low_pass(swinging(fps=12), 12)


def test_relations_of_poses_that_can_be_told_by_eye():
    holds = {name for name, yes in motion_features.relations(STANDING).items() if yes}
    assert holds == {"facing the camera"} | {f"{side} hand at hip" for side in "RL"} | {f"{s} hand out" for s in "RL"}
    pose = STANDING.copy()
    pose[WRIST], pose[KNEE] = (-0.4, 1.6), (-0.7, -0.6)
    holds = {name for name, yes in motion_features.relations(pose).items() if yes}
    assert {"R hand above neck", "R hand above head", "R knee bent"} <= holds and "L knee bent" not in holds
    crossed = STANDING.copy()
    crossed[[4, 7]], crossed[[11, 14]] = crossed[[7, 4]], crossed[[14, 11]]
    assert motion_features.relations(crossed)["hands crossed"] and motion_features.relations(crossed)["feet crossed"]
    back = skeleton.mirror(STANDING[None])[0] * [-1, 1]
    assert (
        not motion_features.relations(back)["facing the camera"]
        and not motion_features.relations(back)["hands crossed"]
    )


def test_geometric_features_are_shares_of_frames_and_mirror():
    poses = np.tile(STANDING, (100, 1, 1))
    poses[:25, WRIST, 1] = 1.2  # a quarter of the window above the neck
    shares = dict(zip(motion_features.relations(STANDING), motion_features.geometric(poses[None])[0], strict=True))
    assert shares["R hand above neck"] == 0.25 and shares["R hand above head"] == 0
    mirrored = dict(
        zip(
            motion_features.relations(STANDING), motion_features.geometric(skeleton.mirror(poses)[None])[0], strict=True
        )
    )
    assert mirrored["L hand above neck"] == 0.25 and mirrored["facing the camera"] == shares["facing the camera"]


def test_angles():
    a, b = np.array([1.0, 0]), np.zeros(2)
    for c, degrees in (((-1, 0), 180), ((0, 2), 90), ((0, -2), 90), ((3, 0), 0)):
        assert motion_features.angle(a, b, np.array(c)) == pytest.approx(degrees)
