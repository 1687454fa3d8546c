import numpy as np
import pytest

from learn2dance.errors import UserError
from learn2dance.motion.skeleton import BODY_15, LIMBS
from learn2dance.motion.windows import dct_coefficients
from learn2dance.tokens import codebook as tokens_codebook
from learn2dance.tokens.codebook import Codebook

# The values of a frame that a token of the later levels encodes: of each limb x and y of its joints, and the travel.
PARTS = [[value for joint in limb for value in (2 * joint, 2 * joint + 1)] for limb in LIMBS] + [[30, 31, 32]]


def cosines(frames):
    """Return the slower half of the orthonormal cosines over so many frames, row by row."""
    rows = np.cos(np.pi * np.arange(frames // 2)[:, None] * (np.arange(frames) + 0.5) / frames) * np.sqrt(2 / frames)
    rows[0] /= np.sqrt(2)
    return rows


def windows_of(spectra, frames):
    slow = spectra.reshape(len(spectra), frames // 2, 33)
    return np.einsum("wkj,kt->wtj", slow, cosines(frames)).reshape(len(spectra), -1).astype(np.float32)


def random_windows(count, seed=0):
    return np.random.default_rng(seed).normal(size=(count, 48 * 33)).astype(np.float32)


def test_codes_are_the_nearest_centroids_of_the_body_and_then_of_each_limb_and_of_travel():
    centroids = np.random.default_rng(1).normal(size=(3, 5, 792)).astype(np.float32)
    codebook = Codebook(centroids, 1, np.full(792, 0.5, np.float32))
    windows = random_windows(20)
    tokens = codebook.encode(windows)
    assert tokens.shape == (20, 1 + 2 * 6) and codebook.columns == 13 and codebook.frames == 48
    left = np.einsum("wtj,kt->wkj", windows.reshape(20, 48, 33), cosines(48)).reshape(20, 792) - 0.5
    first = np.linalg.norm(left[:, None] - centroids[0], axis=-1).argmin(1)
    assert (tokens[:, 0] == first).all()
    left = (left - centroids[0][first]).reshape(20, 24, 33)
    whole = 0.5 + centroids[0][first]
    total = whole.reshape(20, 24, 33).copy()
    for level in (1, 2):
        for number, part in enumerate(PARTS):
            known = centroids[level].reshape(5, 24, 33)
            off = np.linalg.norm((left[:, None, :, part] - known[:, :, part]).reshape(20, 5, -1), axis=-1)
            column = 1 + 6 * (level - 1) + number
            assert (tokens[:, column] == off.argmin(1)).all()
            left[:, :, part] -= known[tokens[:, column]][:, :, part]
            total[:, :, part] += known[tokens[:, column]][:, :, part]
    np.testing.assert_allclose(codebook.decode(tokens), windows_of(total, 48), atol=1e-5)
    np.testing.assert_allclose(codebook.decode(tokens[:, :1]), windows_of(whole, 48), atol=1e-5)


def test_a_limb_and_travel_have_their_own_codes():
    """Whatever the right arm does, codes of other limbs and of travel stay; so do all limbs' if the travel changes."""
    rng = np.random.default_rng(4)
    centroids = rng.normal(size=(2, 6, 792)).astype(np.float32)
    centroids[0] *= 100  # so that the figure stays the same
    codebook = Codebook(centroids, 1, np.zeros(792, np.float32))
    windows = windows_of(centroids[0], 48)
    before = codebook.encode(windows)
    joints = [joint for joint, name in enumerate(BODY_15) if name in ("RShoulder", "RElbow", "RWrist")]
    arm = [value for joint in joints for value in (2 * joint, 2 * joint + 1)]
    for column, part in ((2, arm), (6, [30, 31, 32])):
        moved = windows.reshape(6, 48, 33).copy()
        moved[:, :, part] += windows_of(3 * centroids[1], 48).reshape(6, 48, 33)[[3], :][:, :, part]
        after = codebook.encode(moved.reshape(6, -1))
        assert (after[:, column] == 3).all() and (before[:, column] != 3).any()
        assert (np.delete(after, column, 1) == np.delete(before, column, 1)).all()
    assert sorted(joint for limb in LIMBS for joint in limb) == list(range(15))


def test_of_too_many_windows_as_many_as_fit_are_drawn_from_all_positions_in_the_bar(monkeypatch):
    spectra = np.random.default_rng(3).normal(size=(2000, 66)) * 0.1
    spectra[::4] += 4  # the downbeats
    pieces, used = np.array_split(windows_of(spectra, 4), 20), []

    def counted(piece, frames):
        used.append(len(piece))
        return dct_coefficients(piece, frames)

    monkeypatch.setattr(tokens_codebook, "dct_coefficients", counted)
    monkeypatch.setattr(tokens_codebook, "IN_MEMORY", 500 * 66 * 4)
    centroids, mean = tokens_codebook.fit(lambda: iter(pieces), frames=4, levels=1, whole=1, codes=2, seed=0)
    assert sum(used) == 500 and min(used) > 0
    np.testing.assert_allclose(mean, 1, atol=0.3)  # a quarter of 4; the deviation is 0.07
    np.testing.assert_allclose(np.sort(centroids[0, :, 0]), [-mean[0], 4 - mean[0]], atol=0.05)
    monkeypatch.setattr(tokens_codebook, "IN_MEMORY", 2000 * 66 * 4)
    used.clear()
    _, mean = tokens_codebook.fit(lambda: iter(pieces), frames=4, levels=1, whole=1, codes=2, seed=0)
    assert sum(used) == 2000
    np.testing.assert_allclose(mean, spectra.mean(0), atol=1e-5)


def test_clips_of_which_no_window_is_drawn_are_left_out(monkeypatch):
    monkeypatch.setattr(tokens_codebook, "IN_MEMORY", 8 * 66 * 4)
    clips = np.split(windows_of(np.ones((100, 66)), 4), 100)  # one window each: 92 clips are not drawn from
    _, mean = tokens_codebook.fit(lambda: iter(clips), frames=4, levels=1, whole=1, codes=2, seed=0)
    np.testing.assert_allclose(mean, 1, atol=1e-5)


def test_errors_fall_level_by_level_down_to_what_is_too_fast():
    windows = random_windows(200)
    centroids, mean = tokens_codebook.fit(lambda: iter([windows]), frames=48, levels=3, whole=1, codes=8, seed=0)
    error = tokens_codebook.reconstruction_error(Codebook(centroids, 1, mean), [windows[:120], windows[120:]])
    # Half of white noise is in the faster half of the frequencies, which no code sees.
    assert len(error) == 3 and (np.diff(error) < 0).all() and 0.5 < error[-1] < error[0] < 1
    assert np.isnan(tokens_codebook.reconstruction_error(Codebook(centroids, 1, mean), [])).all()
    np.testing.assert_allclose(
        tokens_codebook.reconstruction_error(Codebook(centroids[:2], 1, mean), [windows]), error[:2], rtol=1e-5
    )


def test_fewer_codes_are_fitted_on_few_windows(caplog, monkeypatch):
    """There are at least 4 windows for each: of 31, enough for 4 codes but not for 8."""
    monkeypatch.setattr(tokens_codebook.cli.log, "propagate", True)
    shape = {"frames": 48, "levels": 1, "whole": 1, "seed": 0}
    centroids, _ = tokens_codebook.fit(lambda: iter([random_windows(31)]), codes=256, **shape)
    assert centroids.shape[:2] == (1, 4) and "found 31 windows, too few for 256 codes: 4 are used" in caplog.text
    caplog.clear()
    centroids, _ = tokens_codebook.fit(lambda: iter([random_windows(16)]), codes=4, **shape)
    assert centroids.shape[:2] == (1, 4) and not caplog.text
    with pytest.raises(UserError, match="found 7 windows, expected at least 8; add dances"):
        tokens_codebook.fit(lambda: iter([random_windows(7)]), codes=4, **shape)


def test_two_levels_find_a_sum_of_clusters():
    rng = np.random.default_rng(2)
    coarse, fine = rng.normal(size=(4, 66)) * 10, rng.normal(size=(3, 66))
    truth = (coarse[:, None] + fine).reshape(12, 66)
    spectra = np.repeat(truth, 30, axis=0) + rng.normal(size=(360, 66)) * 0.01
    windows, shape = windows_of(spectra, 4), {"frames": 4, "levels": 2, "whole": 2, "codes": 4, "seed": 0}
    centroids, mean = tokens_codebook.fit(lambda: iter([windows[:200], windows[200:]]), **shape)
    codebook = Codebook(centroids, 2, mean, frames_per_beat=2)
    np.testing.assert_allclose(mean, spectra.mean(0), atol=1e-5)
    error = tokens_codebook.reconstruction_error(codebook, [windows])
    assert error[1] < 1e-3 < error[0]
    same, _ = tokens_codebook.fit(lambda: iter([windows]), **shape)
    np.testing.assert_allclose(same, centroids, atol=1e-4)


def test_parts_that_move_each_on_their_own_are_found_part_by_part():
    """Three ways for each of six parts make 729 windows a figure, too many for 4 codes, but not for 4 a part."""
    rng = np.random.default_rng(5)
    figures, ways = rng.normal(size=(4, 66)) * 10, rng.normal(size=(3, 66)).reshape(3, 2, 33)
    details = np.zeros((1000, 2, 33))
    for part in PARTS:
        details[:, :, part] = ways[rng.integers(3, size=1000)][:, :, part]
    windows = windows_of(figures[rng.integers(4, size=1000)] + details.reshape(1000, 66), 4)
    found = {}
    for whole in (1, 2):
        centroids, mean = tokens_codebook.fit(lambda: iter([windows]), frames=4, levels=2, whole=whole, codes=4, seed=0)
        found[whole] = tokens_codebook.reconstruction_error(
            Codebook(centroids, whole, mean, frames_per_beat=2), [windows]
        )
    assert found[1][1] < 1e-3 < 4e-3 < found[2][1]
    assert found[1][0] == pytest.approx(found[2][0])
