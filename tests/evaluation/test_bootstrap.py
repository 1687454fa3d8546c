import numpy as np
import pytest

from learn2dance.evaluation import bootstrap


def half_width(values):
    value, low, high = bootstrap.interval(bootstrap.means(values, 0)[:, 0])
    assert low < value < high
    return (high - low) / 2


def test_interval_of_a_mean_is_that_of_its_standard_error():
    sample = np.random.default_rng(0).normal(5, 2, 400)
    expected = 1.96 * sample.std() / np.sqrt(400)
    assert half_width(sample.reshape(1, 400, 1)) == pytest.approx(expected, rel=0.08)  # songs
    assert half_width(sample.reshape(400, 1, 1)) == pytest.approx(expected, rel=0.08)  # seeds of one song


def test_many_seeds_do_not_replace_songs():
    """If the seeds of a song are alike, the interval depends on the number of songs alone."""
    songs = np.random.default_rng(1).normal(size=50)
    dances = np.repeat(songs[None], 20, axis=0)[..., None]
    assert half_width(dances) == pytest.approx(1.96 * songs.std() / np.sqrt(50), rel=0.08)


def test_seeds_and_songs_both_vary():
    """Variances of a two-stage sample add up: of songs / N, and twice of seeds / (N S), since both stages are drawn."""
    rng = np.random.default_rng(2)
    songs, seeds = rng.normal(size=(1, 100)), rng.normal(size=(4, 100))
    within = seeds.var(0).mean() / (100 * 4)
    between = (songs + seeds).mean(0).var() / 100
    assert half_width((songs + seeds)[..., None]) == pytest.approx(1.96 * np.sqrt(between + within), rel=0.08)


def test_missing_values_are_left_out():
    values = np.array([[1.0, np.nan, 3.0], [1.0, np.nan, np.nan]])[..., None]
    assert bootstrap.means(values, 0)[0] == pytest.approx(5 / 3)
    assert np.isnan(bootstrap.interval(bootstrap.means(np.full((2, 3, 1), np.nan), 0)[:, 0])).all()


def test_rows_are_paired_by_song():
    songs = np.random.default_rng(3).uniform(1, 2, 6)
    row, twice = songs.reshape(1, 6, 1), np.repeat(2 * songs[None], 5, axis=0)[..., None]  # one seed, and five
    np.testing.assert_allclose(bootstrap.means(twice, 7) / bootstrap.means(row, 7), 2)


def test_the_interval_of_a_set_is_centred_in_its_bounds():
    distinct = [lambda songs: float(len(set(songs)))]  # songs that are drawn twice make it too small
    value, low, high = bootstrap.centred(distinct, 20, 0, np.inf)
    assert value == 20 and 17 < low < 20 < high < 23
    assert bootstrap.centred(distinct, 20, 0, 20)[2] == 20
    assert bootstrap.centred([lambda songs: songs.mean() / 100], 2, 0, 1)[1] == 0
    assert bootstrap.centred(distinct, 1, 0, np.inf)[0] == 1
    assert np.isnan(bootstrap.centred(distinct, 1, 0, np.inf)[1:]).all()
