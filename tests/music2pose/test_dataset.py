import numpy as np
import pytest
import torch

from learn2dance.data import data_root
from learn2dance.motion import projection
from learn2dance.music2pose import dataset
from learn2dance.music2pose.dataset import Song
from learn2dance.music2pose.networks import Config
from learn2dance.tokens.codebook import Codebook

CONFIG = Config("transformer", 2, 9, 6, 1, ("a", "b"), steps_per_beat=1, before=2, after=4)


def numbered(beats, style=1):
    """Return a song whose music is the beat's number from 1, and whose tokens and motion are that number from 0."""
    music = dataset.music_around(torch.arange(1.0, beats + 1)[:, None, None], 0, beats, CONFIG)
    codes = torch.arange(beats)[:, None].expand(-1, 2)
    motion = torch.arange(float(beats))[:, None].expand(-1, 6)
    mirrored, known = (codes + 100, motion + 100), torch.ones(beats, dtype=bool)
    return Song(music, torch.zeros(beats, dtype=torch.int64), style, codes, motion, mirrored, known)


def test_music_outside_the_song_is_zero():
    music = torch.arange(1.0, 6)[:, None, None]
    assert dataset.music_around(music, 0, 5, CONFIG).flatten().tolist() == [0, 0, 1, 2, 3, 4, 5, 0, 0, 0]
    assert dataset.music_around(music, 2, 1, CONFIG).flatten().tolist() == [1, 2, 3, 4, 5, 0]
    assert dataset.music_around(music, -3, 2, CONFIG).flatten().tolist() == [0, 0, 0, 0, 0, 1, 2]
    assert dataset.music_around(music, 9, 1, CONFIG).flatten().tolist() == [0] * 6


def test_crops_keep_music_motion_and_codes_together():
    tokens, motion, known, music, bar = dataset.crop(numbered(10), 3, 4, CONFIG)
    assert tokens[:, 0].tolist() == motion[:, 5].tolist() == [3, 4, 5, 6] and known.all()
    assert music[2 : 2 + 4].flatten().tolist() == [4, 5, 6, 7]  # beat 3's own music says 4
    tokens, motion, known, music, bar = dataset.crop(numbered(10), 8, 4, CONFIG, mirrored=True)
    assert tokens[:2, 0].tolist() == motion[:2, 0].tolist() == [108, 109]
    assert known.tolist() == [True, True, False, False]
    assert len(tokens) == len(motion) == len(bar) == 4 and len(music) == 9


def test_batches_are_drawn_by_length_half_of_them_mirrored():
    rng = np.random.default_rng(0)
    drawn = [dataset.batch([numbered(30, 1), numbered(90, 2)], 64, 8, CONFIG, 0.5, rng) for _ in range(8)]
    styles = torch.cat([batch[5] for batch in drawn]).numpy()
    assert 0.08 < np.mean(styles == 0) < 0.22  # 0.15, of 512
    assert 0.68 < np.mean(styles[styles > 0] == 2) < 0.82
    assert 0.4 < np.mean([(batch[0][:, 0, 0] >= 100).float().mean() for batch in drawn]) < 0.6
    tokens, motion, known, music, bar, style = drawn[0]
    assert all((batch[0][..., 0] == batch[1][..., 0]).all() for batch in drawn)  # both mirrored, or neither
    assert tokens.shape == (64, 8, 2) and motion.shape == (64, 8, 6) and music.shape == (64, 13, 1, 1)


def test_a_projection_scales_all_components_alike():
    rng = np.random.default_rng(0)
    turned = np.linalg.qr(rng.normal(size=(30, 30)))[0]
    rows = (rng.normal(size=(500, 4)) * [9, 3, 1, 0.5] @ turned[:4] + 7).astype(np.float32)
    found = projection.fit_projection(rows, 4)(rows)
    assert found.shape == (500, 4) and found.dtype == torch.float32
    np.testing.assert_allclose(np.cov(found.T), np.eye(4), atol=2e-3)
    along = (rows - rows.mean(0)) @ turned[:4].T  # the largest come first
    assert all(abs(np.corrcoef(along[:, i], found[:, i])[0, 1]) > 0.98 for i in range(4))
    assert projection.fit_projection(rows, 2)(rows).shape == (500, 2)
    assert projection.fit_projection(rows[:3], 10)(rows).shape == (500, 3)  # no more than rows


def test_a_projection_with_alike_ignores_units():
    rng = np.random.default_rng(0)
    rows = (rng.normal(size=(500, 3)) @ rng.normal(size=(3, 8)) + rng.normal(size=(500, 8)) * 0.3).astype(np.float32)
    found = projection.fit_projection(rows, 4, alike=True)(rows)
    np.testing.assert_allclose(np.cov(found.T), np.eye(4), atol=2e-3)
    units = np.array([1, 10, 0.1, 1, 1, 5, 1, 20], np.float32)
    other = projection.fit_projection(rows * units + 3, 4, alike=True)(rows * units + 3)
    np.testing.assert_allclose((found * other).mean(0).abs(), 1, atol=0.01)  # the same but for its sign
    # A band that is constant in training does not dominate later.
    constant = np.concatenate([rows, rng.normal(size=(500, 1)).astype(np.float32) * 1e-5], 1)
    music_pca = projection.fit_projection(constant, 4, alike=True)
    assert (music_pca(constant + np.eye(9, dtype=np.float32)[8]) - music_pca(constant)).abs().max() < 1


def test_a_projection_uses_every_nth_of_too_many_rows(monkeypatch):
    monkeypatch.setattr(projection, "MOST", 100)
    rows = np.random.default_rng(0).normal(size=(300, 5)).astype(np.float32)
    rows[np.arange(300) % 3 != 0] += 9
    np.testing.assert_allclose(projection.fit_projection(rows, 2).mean, rows[::3].mean(0), atol=1e-5)


def test_unknown_styles_have_index_0():
    assert [data_root.style_index(style, ("a", "b")) for style in ("a", "b", "c", None)] == [1, 2, 0, 0]


@pytest.mark.parametrize("start", [0, 3])
def test_a_song_begins_with_its_first_window(start):
    rng = np.random.default_rng(0)
    beats = np.tile(np.arange(1.0, 11)[:, None, None], (1, 1, 1)).astype(np.float32)
    codes, mirrored = rng.integers(9, size=(2, 5, 2 + 6))
    clip = {"features": beats, "bar": np.arange(11), "start": start, "style": "b", "known": np.ones(5, bool)}
    centroids, mean = rng.normal(size=(3, 9, 66)).astype(np.float32), rng.normal(size=66).astype(np.float32)
    book = Codebook(centroids, 2, mean, frames_per_beat=2)
    music_pca = projection.Projection(torch.zeros(1), torch.full((1, 1), 2.0))
    motion_pca = projection.Projection(torch.from_numpy(mean), torch.eye(66)[:, :6])
    song = dataset.to_song(clip | {"tokens": codes, "mirrored": mirrored}, CONFIG, music_pca, motion_pca, book)
    assert song.music.flatten()[2:7].tolist() == [2 * (start + 1 + b) for b in range(5)]
    assert song.bar.tolist() == [start + b for b in range(5)] and song.style == 2
    # The targets are the whole-body tokens, but the motion is decoded from all tokens: the first six DCT coefficients
    # are of two joints of the head and one of the right arm, columns 2 and 3.
    for (tokens, motion), columns in (((song.tokens, song.motion), codes), (song.mirrored, mirrored)):
        assert (tokens.numpy() == columns[:, :2]).all()
        expected = centroids[0, columns[:, 0], :6] + centroids[1, columns[:, 1], :6]
        expected[:, :4] += centroids[2, columns[:, 2], :4]
        expected[:, 4:] += centroids[2, columns[:, 3], 4:6]
        np.testing.assert_allclose(motion, expected, atol=1e-5)
