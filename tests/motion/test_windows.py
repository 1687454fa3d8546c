import numpy as np
import pytest

from learn2dance.motion import kinematics, skeleton, windows


def swaying(beats, fps, seconds):
    """Fifteen joints whose position depends on the position in the beat alone, the same for any tempo."""
    position = np.interp(np.arange(int(seconds * fps)) / fps, beats, np.arange(len(beats)))
    joints = np.arange(15)[:, None]
    return np.sin(np.pi * position[:, None, None] + joints + [0, 1.5]).astype(np.float32)


def wandering(beats, fps, seconds):
    """Return a path (T, 3) of such a dancer: across, up and nearer, by the position in the beats."""
    position = np.interp(np.arange(int(seconds * fps)) / fps, beats, np.arange(len(beats)))[:, None]
    return [2, 0.1, 0.2] * np.sin(position * [0.5, np.pi, 0.4] + [0.3, 1, 2])


def test_motion_locked_to_the_beat_is_the_same_window_at_any_tempo_and_rate():
    slow, fast = np.arange(0, 12, 0.8), np.arange(0.1, 12, 0.45)
    a, known, start = windows.cut(swaying(slow, 25, 11), 25, slow)
    b, _, _ = windows.cut(swaying(fast, 60, 11), 60, fast)
    assert known.all() and start == 0
    np.testing.assert_allclose(a[2], b[2], atol=0.02)
    np.testing.assert_allclose(a[2], a[4], atol=0.02)  # two beats make a period of sin(pi x position)
    position = np.arange(48) / 24
    expected = np.sin(np.pi * position[:, None, None] + np.arange(15)[:, None] + [0, 1.5])
    np.testing.assert_allclose(a[2].reshape(48, 15, 2), expected, atol=0.02)


def test_windows_lie_within_the_poses():
    beats = np.arange(-1.0, 20, 0.5)
    motion, known, start = windows.cut(swaying(beats, 25, 5), 25, beats)  # poses from 0 to 4.96 s
    assert start == 2 and beats[start] == 0
    assert len(motion) == len(known) == 9  # ten beats lie at 0 … 4.5 s, and one at 5 s is just outside
    assert len(windows.cut(swaying(beats, 25, 4.9), 25, beats)[0]) == 8  # the last window starts at 3.5 s
    assert len(windows.cut(swaying(beats, 25, 0.9), 25, beats)[0]) == 0


@pytest.mark.parametrize("off", [0.06, 0.11])
def test_a_beat_just_outside_the_poses_holds_the_end_pose(off):
    """The first beat is `off` beats before the first frame, and the last as much after the last."""
    poses = np.random.default_rng(0).normal(size=(101, 15, 2)).cumsum(0)  # 5 s
    beats = np.linspace(-off, 10 + off, 11) / 2
    path = np.arange(101)[:, None] * [0.1, 0, 0.01]
    motion, known, start = windows.cut(poses, 20, beats, path=path)
    if off > windows.EDGE * 1.03:  # the beats are 1.02 and more times half a second long
        assert start == 1 and len(motion) == 7
        return
    assert start == 0 and len(motion) == 9 and known.all()
    frames = motion.reshape(9, 48, 33)
    np.testing.assert_allclose(frames[0, 0, :30], poses[0].ravel(), atol=1e-5)
    np.testing.assert_allclose(frames[-1, -1, :30], poses[-1].ravel(), atol=1e-4)
    assert np.abs(frames[0, 0, 32]) < 1e-6  # held: it comes no nearer


def test_windows_with_unknown_joints_are_marked():
    beats = np.arange(0, 10, 0.5)
    poses = swaying(beats, 25, 9)
    poses[50:55, 3] = np.nan  # 2.0-2.2 s: the window of 1.0-2.0 s touches it with its last samples
    motion, known, _ = windows.cut(poses, 25, beats)
    assert np.flatnonzero(~known).tolist() == [2, 3, 4]
    assert np.isfinite(motion).all()
    poses[:, 3] = np.nan
    assert not windows.cut(poses, 25, beats)[1].any()


def test_windows_of_a_motion_join_to_that_motion():
    beats = np.cumsum(np.random.default_rng(0).uniform(0.45, 0.55, 20))
    poses = swaying(beats, 30, 9)
    motion, _, start = windows.cut(poses, 30, beats)
    inside = np.arange(np.ceil(beats[0] * 30), 250) / 30
    joined = windows.overlap_add(motion, beats[start : start + len(motion) + 2], inside, 24, 2)
    expected = poses[(inside * 30).round().astype(int)].reshape(-1, 30)
    np.testing.assert_allclose(joined, expected, atol=0.02)


def test_overlap_fades_linearly_in_power_and_adds_up_to_one():
    motion = np.zeros((3, 48 * 2), np.float32)
    motion[1] = 1
    beats = np.arange(5.0)
    times = np.arange(0, 4, 1 / 24)
    joined = windows.overlap_add(motion, beats, times, 24, 2)[:, 0]
    np.testing.assert_allclose(joined[24:72], np.sin(np.pi * (np.arange(48) + 0.5) / 48) ** 2, atol=1e-6)
    np.testing.assert_allclose(windows.overlap_add(np.ones_like(motion), beats, times, 24, 2), 1, atol=1e-6)


def test_joining_unrelated_windows_makes_no_jump():
    rng = np.random.default_rng(0)
    slow = np.repeat(rng.normal(size=(20, 1, 30)), 48, axis=1).reshape(20, -1).astype(np.float32)  # poses held still
    joined = windows.overlap_add(slow, np.arange(22.0), np.arange(0, 21, 1 / 24), 24, 2)
    # sin² climbs by at most pi/2 a beat, whatever the motion is.
    largest = np.abs(np.diff(slow[:, :30], axis=0)).max()
    assert np.abs(np.diff(joined, axis=0)).max() < largest * np.pi / 2 / 24 * 1.01


def test_mirrored_windows_are_windows_of_the_mirrored_dance():
    beats = np.arange(0, 8, 0.5)
    poses = swaying(beats, 25, 7)
    way = wandering(beats, 25, 7)
    motion, _, _ = windows.cut(poses, 25, beats, path=way)
    mirrored, _, _ = windows.cut(skeleton.mirror(poses), 25, beats, path=way * [-1, 1, 1])  # left becomes right
    np.testing.assert_allclose(windows.mirror(motion), mirrored, atol=1e-4)
    plain = windows.cut(poses, 25, beats)[0]
    np.testing.assert_array_equal(windows.without_travel(motion), plain)


def test_windows_with_a_path_join_to_that_motion_and_path():
    beats = np.cumsum(np.random.default_rng(0).uniform(0.45, 0.55, 20))
    poses, path = swaying(beats, 60, 9), wandering(beats, 60, 9)
    motion, _, start = windows.cut(poses, 60, beats, path=path)
    grid = beats[start : start + len(motion) + 2]
    frames = np.arange(np.ceil(grid[0] * 60), np.floor(grid[-1] * 60)).astype(int)
    joined = windows.overlap_add(motion, grid, frames / 60, 24, 2)
    np.testing.assert_allclose(joined[:, :30], poses[frames].reshape(-1, 30), atol=0.02)
    begin = [np.interp(grid[0], np.arange(len(path)) / 60, column) for column in path.T]
    np.testing.assert_allclose(joined[:, 30:], path[frames] - np.array(begin) * [1, 0, 1], atol=0.02)
    # On other beats: the same distance on each beat.
    other = np.cumsum(np.random.default_rng(1).uniform(0.6, 0.9, len(grid)))
    on_beats = windows.overlap_add(motion, other, other, 24, 2)
    at = start + np.arange(len(grid))[:, None]
    expected = [2, 0.1, 0.2] * np.sin(at * [0.5, np.pi, 0.4] + [0.3, 1, 2])
    np.testing.assert_allclose(on_beats[:-1, 30:], (expected - expected[0] * [1, 0, 1])[:-1], atol=0.02)


def striding(frames, fps, pace, stance):
    """Return root-centred poses of a walk at ``pace`` torso lengths per second.

    The right foot stands for ``stance`` seconds while the left one is in the air, then the left one.
    """
    seconds = np.arange(frames) / fps
    right = (seconds // stance) % 2 == 0
    poses = np.zeros((frames, 15, 2))
    poses[:, skeleton.NECK] = (0, 1)
    back = pace * (stance / 2 - seconds % stance)  # of the standing foot, relative to the hips
    for foot, stands in (("RAnkle", right), ("LAnkle", ~right)):
        poses[:, skeleton.BODY_15.index(foot)] = np.where(
            stands[:, None], np.stack([back, 0 * back - 1.8], 1), np.stack([-back, 0 * back - 1], 1)
        )
    return poses


def test_a_window_holds_the_speed_of_the_standing_foot():
    """It is 0 in a walk, and that of the hips if a dancer glides; speeds are per beat."""
    beats = np.arange(0, 9, 0.5)
    path = np.outer(np.arange(900) / 100 * 1.2, [1, 0, 0])
    for poses, expected in ((striding(900, 100, 1.2, 1.0), 0.0), (striding(900, 100, 0.0, 9.0), 0.6)):
        across = windows.cut(poses, 100, beats, path=path)[0].reshape(-1, 48, 33)[:, :, 30]
        # In the middle of the first beat: the weight changes on a beat.
        np.testing.assert_allclose(across[:, 6:18], expected, atol=0.01)


def test_a_foot_that_stands_in_two_windows_does_not_slide_between_them():
    poses = np.zeros((2, 15, 2))
    poses[:, skeleton.NECK] = (0, 1)
    right, left = skeleton.BODY_15.index("RAnkle"), skeleton.BODY_15.index("LAnkle")
    poses[:, right], poses[:, left] = [(-0.3, -1.8), (0.4, -1.7)], (0, -1.2)
    held = np.concatenate([np.repeat(poses.reshape(2, 1, 30), 48, axis=1), np.zeros((2, 48, 3))], axis=2)
    joined = windows.overlap_add(held.reshape(2, -1).astype(np.float32), np.arange(4.0), np.arange(0, 3, 0.01), 24, 2)
    hips, foot = joined[:, 30], joined[:, 30] + joined[:, 2 * right]
    assert hips[0] == 0 and hips[-1] == pytest.approx(-0.7, abs=0.01)  # they go where the foot is under them
    np.testing.assert_allclose(foot, -0.3, atol=0.01)
    np.testing.assert_allclose(joined[:, 32], 0, atol=1e-6)


def test_windows_with_unknown_hips_are_marked():
    beats = np.arange(0, 10, 0.5)
    path = wandering(beats, 25, 9)
    path[50:55] = np.nan
    motion, known, _ = windows.cut(swaying(beats, 25, 9), 25, beats, path=path)
    assert np.flatnonzero(~known).tolist() == [2, 3, 4] and np.isfinite(motion).all()


def test_the_speed_limit_keeps_the_motion_and_its_middle():
    poses = np.zeros((60, 15, 2), np.float32)
    poses[:, 4, 0] = np.concatenate([np.zeros(28), [1, 2, 3, 4], np.full(28, 4)])  # a wrist that goes 1 a frame
    path = poses[:, 4, :1] * [0.5, 0.1, 0.2]  # the dancer goes with it
    limited, way = kinematics.limit_speed(poses, 0.25, path)
    assert kinematics.steps(limited).max() <= 0.25 + 1e-6
    np.testing.assert_allclose(limited[[0, -1], 4, 0], [0, 4])
    np.testing.assert_allclose(np.interp(2, limited[:, 4, 0], np.arange(60)), 29, atol=0.1)  # halfway at the same time
    np.testing.assert_allclose(limited[:14], poses[:14], atol=1e-6)
    np.testing.assert_allclose(way, limited[:, 4, :1] * [0.5, 0.1, 0.2], atol=1e-6)  # at the same time
    for found, given in zip(kinematics.limit_speed(poses, 1.0, path), (poses, path), strict=True):
        np.testing.assert_array_equal(found, given)


def test_the_speed_limit_leaves_slow_places_alone():
    rng = np.random.default_rng(0)
    poses, path = (np.cumsum(rng.normal(size=size) * 0.01, axis=0) for size in ((200, 15, 2), (200, 3)))
    poses[100:] += 0.5
    limited, way = kinematics.limit_speed(poses, 0.1, path)
    assert kinematics.steps(limited).max() <= 0.1 + 1e-6
    for found, given in ((limited, poses), (way, path)):
        np.testing.assert_allclose(found[:80], given[:80], atol=1e-5)
        np.testing.assert_allclose(found[120:], given[120:], atol=1e-5)


def cosine(frequency, frames=48):
    """One of the orthonormal cosines over a window: so many half-turns."""
    wave = np.cos(np.pi * frequency * (np.arange(frames) + 0.5) / frames)
    return wave / np.linalg.norm(wave)


def test_spectra_keep_slow_motion_and_its_distances():
    rng = np.random.default_rng(0)
    sizes = rng.normal(size=(6, 24, 30))
    motion = np.einsum("wkj,kt->wtj", sizes, [cosine(k) for k in range(24)]).reshape(6, -1).astype(np.float32)
    found = windows.dct_coefficients(motion, 48)
    assert found.dtype == np.float32 and found.shape == (6, 720)
    np.testing.assert_allclose(found, sizes.reshape(6, -1), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found[0] - found[1]), np.linalg.norm(motion[0] - motion[1]), rtol=1e-5)
    np.testing.assert_allclose(windows.from_dct(found, 48), motion, atol=1e-5)


def test_spectra_leave_out_the_faster_half():
    slow, fast = np.outer(cosine(23), np.arange(30)), np.outer(cosine(24), np.ones(30))
    motion = np.stack([slow + fast, fast]).reshape(2, -1)
    slow_part = windows.from_dct(windows.dct_coefficients(motion, 48), 48)
    np.testing.assert_allclose(slow_part, np.stack([slow, 0 * fast]).reshape(2, -1), atol=1e-5)


def test_a_sway_of_a_beat_is_kept():
    """A sway of a beat, cut anywhere, is slow: next to nothing of it is lost."""
    beats = np.arange(0, 8, 0.5)
    motion, _, _ = windows.cut(swaying(beats, 50, 7), 50, beats + 0.13)
    np.testing.assert_allclose(windows.from_dct(windows.dct_coefficients(motion, 48), 48), motion, atol=0.02)
