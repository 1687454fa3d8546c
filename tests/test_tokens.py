import numpy as np
import pytest

from learn2dance import skeleton, tokens
from learn2dance.stage import Fault
from learn2dance.tokens import Codebook


def swaying(beats, fps, seconds):
    """Fifteen joints whose place depends on the position in the beat alone, the same for any tempo."""
    position = np.interp(np.arange(int(seconds * fps)) / fps, beats, np.arange(len(beats)))
    joints = np.arange(15)[:, None]
    return np.sin(np.pi * position[:, None, None] + joints + [0, 1.5]).astype(np.float32)


def random_windows(count, seed=0):
    return np.random.default_rng(seed).normal(size=(count, 48 * 30)).astype(np.float32)


def test_motion_locked_to_the_beat_is_the_same_window_at_any_tempo_and_rate():
    slow, fast = np.arange(0, 12, 0.8), np.arange(0.1, 12, 0.45)
    a, known, start = tokens.cut(swaying(slow, 25, 11), 25, slow)
    b, _, _ = tokens.cut(swaying(fast, 60, 11), 60, fast)
    assert known.all() and start == 0
    np.testing.assert_allclose(a[2], b[2], atol=0.02)
    np.testing.assert_allclose(a[2], a[4], atol=0.02)  # two beats make a period of sin(pi x position)
    position = np.arange(48) / 24
    expected = np.sin(np.pi * position[:, None, None] + np.arange(15)[:, None] + [0, 1.5])
    np.testing.assert_allclose(a[2].reshape(48, 15, 2), expected, atol=0.02)


def test_windows_lie_within_the_poses():
    beats = np.arange(-1.0, 20, 0.5)
    windows, known, start = tokens.cut(swaying(beats, 25, 5), 25, beats)  # poses from 0 to 4.96 s
    assert start == 2 and beats[start] == 0
    assert len(windows) == len(known) == 8  # ten beats lie at 0 … 4.5 s, the last window starts at 3.5
    assert len(tokens.cut(swaying(beats, 25, 0.9), 25, beats)[0]) == 0


def test_windows_with_unknown_joints_are_marked():
    beats = np.arange(0, 10, 0.5)
    poses = swaying(beats, 25, 9)
    poses[50:55, 3] = np.nan  # 2.0-2.2 s: the windows that start at 1.0 … 2.0 s see it
    windows, known, _ = tokens.cut(poses, 25, beats)
    assert np.flatnonzero(~known).tolist() == [2, 3, 4] or np.flatnonzero(~known).tolist() == [3, 4]
    assert np.isfinite(windows).all()
    poses[:, 3] = np.nan
    assert not tokens.cut(poses, 25, beats)[1].any()


def test_windows_of_a_motion_join_to_that_motion():
    beats = np.cumsum(np.random.default_rng(0).uniform(0.45, 0.55, 20))
    poses = swaying(beats, 30, 9)
    windows, _, start = tokens.cut(poses, 30, beats)
    inside = np.arange(np.ceil(beats[0] * 30), 250) / 30
    joined = tokens.join(windows, beats[start : start + len(windows) + 2], inside, 24, 2)
    np.testing.assert_allclose(joined, poses[(inside * 30).round().astype(int)], atol=0.02)


def test_overlap_fades_linearly_in_power_and_adds_up_to_one():
    windows = np.zeros((3, 48 * 2), np.float32)
    windows[1] = 1
    beats = np.arange(5.0)
    times = np.arange(0, 4, 1 / 24)
    joined = tokens.join(windows, beats, times, 24, 2)[:, 0, 0]
    np.testing.assert_allclose(joined[24:72], np.sin(np.pi * (np.arange(48) + 0.5) / 48) ** 2, atol=1e-6)
    np.testing.assert_allclose(tokens.join(np.ones_like(windows), beats, times, 24, 2), 1, atol=1e-6)


def test_joining_unrelated_windows_makes_no_jump():
    rng = np.random.default_rng(0)
    slow = np.repeat(rng.normal(size=(20, 1, 30)), 48, axis=1).reshape(20, -1).astype(np.float32)  # poses held still
    joined = tokens.join(slow, np.arange(22.0), np.arange(0, 21, 1 / 24), 24, 2)
    # sin² climbs by at most pi/2 a beat, whatever the windows are.
    apart = np.abs(np.diff(slow[:, :30], axis=0)).max()
    assert np.abs(np.diff(joined, axis=0)).max() < apart * np.pi / 2 / 24 * 1.01


def test_codes_are_the_nearest_centroids():
    centroids = np.random.default_rng(1).normal(size=(2, 5, 1440)).astype(np.float32)
    codebook = Codebook(centroids, np.full(1440, 0.5, np.float32))
    windows = random_windows(20)
    labels = codebook.encode(windows)
    first = np.linalg.norm((windows - 0.5)[:, None] - centroids[0], axis=-1).argmin(1)
    left = windows - 0.5 - centroids[0][first]
    second = np.linalg.norm(left[:, None] - centroids[1], axis=-1).argmin(1)
    assert (labels == np.stack([first, second], 1)).all()
    np.testing.assert_allclose(codebook.decode(labels), 0.5 + centroids[0][first] + centroids[1][second], atol=1e-6)
    np.testing.assert_allclose(codebook.decode(labels[:, :1]), 0.5 + centroids[0][first], atol=1e-6)


def test_two_levels_find_a_sum_of_clusters():
    rng = np.random.default_rng(2)
    coarse, fine = rng.normal(size=(4, 60)) * 10, rng.normal(size=(3, 60))
    truth = (coarse[:, None] + fine).reshape(12, 60)
    windows = (np.repeat(truth, 30, axis=0) + rng.normal(size=(360, 60)) * 0.01).astype(np.float32)
    centroids, mean = tokens.fit(lambda: iter([windows[:200], windows[200:]]), levels=2, codes=4, seed=0)
    codebook = Codebook(centroids, mean)
    np.testing.assert_allclose(mean, windows.mean(0), atol=1e-5)
    assert tokens.residual_error(codebook, [windows])[1] < 1e-3
    same, _ = tokens.fit(lambda: iter([windows]), levels=2, codes=4, seed=0)
    np.testing.assert_allclose(same, centroids, atol=1e-4)


def test_streaming_finds_them_too(monkeypatch):
    monkeypatch.setattr(tokens, "IN_MEMORY", 0)
    rng = np.random.default_rng(3)
    truth = rng.normal(size=(8, 60)) * 10
    windows = (truth[rng.integers(8, size=2000)] + rng.normal(size=(2000, 60)) * 0.1).astype(np.float32)
    centroids, mean = tokens.fit(lambda: iter(np.array_split(windows, 20)), levels=2, codes=16, seed=0)
    assert tokens.residual_error(Codebook(centroids, mean), [windows])[-1] < 0.02


def test_errors_fall_level_by_level():
    windows = random_windows(200)
    centroids, mean = tokens.fit(lambda: iter([windows]), levels=3, codes=8, seed=0)
    error = tokens.residual_error(Codebook(centroids, mean), [windows])
    assert (np.diff(error) < 0).all() and 0 < error[-1] < error[0] < 1


def test_too_few_windows_for_so_many_codes():
    with pytest.raises(Fault, match=r"3 windows to learn 4 codes from"):
        tokens.fit(lambda: iter([random_windows(3)]), levels=1, codes=4, seed=0)


def test_mirrored_windows_are_windows_of_the_mirrored_dance():
    beats = np.arange(0, 8, 0.5)
    poses = swaying(beats, 25, 7)
    windows, _, _ = tokens.cut(poses, 25, beats)
    mirrored, _, _ = tokens.cut(skeleton.mirror(poses), 25, beats)
    np.testing.assert_allclose(tokens.mirror(windows), mirrored, atol=1e-5)
