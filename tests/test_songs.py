import numpy as np
import pytest
import torch

from learn2dance import songs
from learn2dance.networks import Config
from learn2dance.songs import Song

CONFIG = Config("transformer", 2, 9, 6, 1, ("a", "b"), steps_per_beat=1, before=2, after=4)


def numbered(beats, style=1):
    """Make a song whose music says the beat's number, from 1, and whose codes say it twice."""
    music = songs.around(torch.arange(1.0, beats + 1)[:, None, None], 0, beats, CONFIG)
    codes = torch.arange(beats)[:, None].expand(-1, 2)
    return Song(music, torch.zeros(beats, dtype=torch.int64), style, codes, codes + 100, torch.ones(beats, dtype=bool))


def test_around_reaches_over_the_edges_with_zeros():
    music = torch.arange(1.0, 6)[:, None, None]
    assert songs.around(music, 0, 5, CONFIG).flatten().tolist() == [0, 0, 1, 2, 3, 4, 5, 0, 0, 0]
    assert songs.around(music, 2, 1, CONFIG).flatten().tolist() == [1, 2, 3, 4, 5, 0]
    assert songs.around(music, -3, 2, CONFIG).flatten().tolist() == [0, 0, 0, 0, 0, 1, 2]
    assert songs.around(music, 9, 1, CONFIG).flatten().tolist() == [0] * 6


def test_crops_keep_music_and_codes_together():
    tokens, known, music, bar = songs.crop(numbered(10), 3, 4, CONFIG)
    assert tokens[:, 0].tolist() == [3, 4, 5, 6] and known.all()
    assert music[2 : 2 + 4].flatten().tolist() == [4, 5, 6, 7]  # beat 3's own music says 4
    tokens, known, music, bar = songs.crop(numbered(10), 8, 4, CONFIG, mirrored=True)
    assert tokens[:2, 0].tolist() == [108, 109] and known.tolist() == [True, True, False, False]
    assert len(tokens) == len(bar) == 4 and len(music) == 9


def test_batches_are_drawn_by_length_half_of_them_mirrored():
    rng = np.random.default_rng(0)
    drawn = [songs.batch([numbered(30, 1), numbered(90, 2)], 64, 8, CONFIG, 0.5, rng) for _ in range(8)]
    styles = torch.cat([batch[4] for batch in drawn]).numpy()
    assert 0.08 < np.mean(styles == 0) < 0.22  # 0.15, of 512
    assert 0.68 < np.mean(styles[styles > 0] == 2) < 0.82
    assert 0.4 < np.mean([(batch[0][:, 0, 0] >= 100).float().mean() for batch in drawn]) < 0.6
    tokens, known, music, bar, style = drawn[0]
    assert tokens.shape == (64, 8, 2) and music.shape == (64, 13, 1, 1)


def test_normaliser():
    rng = np.random.default_rng(0)
    features = [rng.normal([3, 0], [2, 0], (50, 4, 2)).astype(np.float32) for _ in range(3)]
    normal = torch.cat([songs.fit_normaliser(features)(f) for f in features]).flatten(0, 1)
    torch.testing.assert_close(normal.mean(0), torch.zeros(2), atol=1e-4, rtol=0)
    torch.testing.assert_close(normal.std(0), torch.tensor([1.0, 0.0]), atol=1e-2, rtol=0)


def test_styles_that_were_not_learned_are_not_known():
    assert [songs.style_index(style, ("a", "b")) for style in ("a", "b", "c", None)] == [1, 2, 0, 0]


@pytest.mark.parametrize("start", [0, 3])
def test_a_song_begins_with_its_first_window(start):
    beats = np.tile(np.arange(1.0, 11)[:, None, None], (1, 1, 1)).astype(np.float32)
    codes = np.zeros((5, 2), np.int64)
    clip = {"features": beats, "bar": torch.arange(11), "start": start, "style": "b", "known": np.ones(5, bool)}
    made = songs.song(
        clip | {"labels": codes, "mirrored": codes}, CONFIG, songs.Normaliser(torch.zeros(1), torch.ones(1))
    )
    assert made.music.flatten()[2:7].tolist() == [start + 1 + b for b in range(5)]
    assert made.bar.tolist() == [start + b for b in range(5)] and made.style == 2
