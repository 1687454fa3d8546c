import numpy as np
import pytest

from learn2dance.music import beat_grid


def test_the_grid_covers_the_song():
    beats, lead = beat_grid.extend(np.array([0.3, 0.8, 1.4]), 2.9)
    np.testing.assert_allclose(beats, [-0.2, 0.3, 0.8, 1.4, 2.0, 2.6, 3.2])
    assert lead == 1
    beats, lead = beat_grid.extend(np.array([0.0, 0.5, 1.0]), 1.0)
    assert len(beats) == 3 and lead == 0


def test_bar_positions():
    assert beat_grid.bar_positions(7, 1, 3).tolist() == [2, 0, 1, 2, 0, 1, 2]
    assert beat_grid.bar_positions(6, 2, 4).tolist() == [5, 6, 3, 4, 5, 6]


@pytest.mark.parametrize("downbeat", [0, 1, 2, 3])
@pytest.mark.parametrize("ratio", [0.45, 0.55, 0.8, 1.0, 1.3, 1.55, 2.1])
def test_a_song_is_counted_in_half_or_double_time_if_that_is_nearer(ratio, downbeat):
    beats = 0.2 + np.cumsum(np.random.default_rng(0).uniform(0.45, 0.55, 23))
    song = {"beats": beats, "tempo": 110.0 * ratio, "downbeat": downbeat, "beats_per_bar": 4}
    counted = beat_grid.at_tempo(song, 110.0)
    found = counted["beats"]
    assert found[counted["downbeat"]] == beats[downbeat]  # a downbeat stays one
    assert counted["beats_per_bar"] == 4
    if ratio > 1.5:
        np.testing.assert_array_equal(found, beats[downbeat % 2 :: 2])
    elif ratio < 0.6:
        np.testing.assert_array_equal(found[::2], beats)
        np.testing.assert_allclose(found[1::2], (beats[1:] + beats[:-1]) / 2)
    else:
        np.testing.assert_array_equal(found, beats)
    assert (song["beats"] == beats).all() and song["downbeat"] == downbeat  # the song itself is not changed
