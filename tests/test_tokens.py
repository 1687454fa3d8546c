import numpy as np
import pytest

from learn2dance import tokens
from learn2dance.stage import Fault
from learn2dance.tokens import Codebook


def random_windows(count, seed=0):
    return np.random.default_rng(seed).normal(size=(count, 48 * 30)).astype(np.float32)


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
    with pytest.raises(Fault, match=r"15 windows are too few for 4 codes; .* \(-p CODES 3\)"):
        tokens.fit(lambda: iter([random_windows(15)]), levels=1, codes=4, seed=0)


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
