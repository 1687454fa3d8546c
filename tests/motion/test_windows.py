import numpy as np

from learn2dance.motion import kinematics, skeleton, windows


def swaying(beats, fps, seconds):
    """Fifteen joints whose position depends on the position in the beat alone, the same for any tempo."""
    position = np.interp(np.arange(int(seconds * fps)) / fps, beats, np.arange(len(beats)))
    joints = np.arange(15)[:, None]
    return np.sin(np.pi * position[:, None, None] + joints + [0, 1.5]).astype(np.float32)


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
    assert len(motion) == len(known) == 8  # ten beats lie at 0 … 4.5 s, the last window starts at 3.5
    assert len(windows.cut(swaying(beats, 25, 0.9), 25, beats)[0]) == 0


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
    np.testing.assert_allclose(joined, poses[(inside * 30).round().astype(int)], atol=0.02)


def test_overlap_fades_linearly_in_power_and_adds_up_to_one():
    motion = np.zeros((3, 48 * 2), np.float32)
    motion[1] = 1
    beats = np.arange(5.0)
    times = np.arange(0, 4, 1 / 24)
    joined = windows.overlap_add(motion, beats, times, 24, 2)[:, 0, 0]
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
    motion, _, _ = windows.cut(poses, 25, beats)
    mirrored, _, _ = windows.cut(skeleton.mirror(poses), 25, beats)
    np.testing.assert_allclose(windows.mirror(motion), mirrored, atol=1e-5)


def test_the_speed_limit_keeps_the_path_and_its_middle():
    path = np.zeros((60, 15, 2), np.float32)
    path[:, 4, 0] = np.concatenate([np.zeros(28), [1, 2, 3, 4], np.full(28, 4)])  # a wrist that goes 1 a frame
    limited = kinematics.limit_speed(path, 0.25)
    assert kinematics.steps(limited).max() <= 0.25 + 1e-6
    np.testing.assert_allclose(limited[[0, -1], 4, 0], [0, 4])
    np.testing.assert_allclose(np.interp(2, limited[:, 4, 0], np.arange(60)), 29, atol=0.1)  # halfway at the same time
    np.testing.assert_allclose(limited[:14], path[:14], atol=1e-6)
    np.testing.assert_array_equal(kinematics.limit_speed(path, 1.0), path)


def test_the_speed_limit_leaves_slow_places_alone():
    rng = np.random.default_rng(0)
    path = np.cumsum(rng.normal(size=(200, 15, 2)) * 0.01, axis=0).astype(np.float32)
    path[100:] += 0.5
    limited = kinematics.limit_speed(path, 0.1)
    assert kinematics.steps(limited).max() <= 0.1 + 1e-6
    np.testing.assert_allclose(limited[:80], path[:80], atol=1e-5)
    np.testing.assert_allclose(limited[120:], path[120:], atol=1e-5)


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
