from types import SimpleNamespace

import numpy as np
import pytest
from test_distribution import dances

from learn2dance.evaluation import scoring, set_measures
from learn2dance.metrics.distribution import nearest_training_distance
from learn2dance.motion import skeleton

FPS = 24  # a quarter of a beat of 0.5 s is three frames
BEATS = np.arange(0, 30, 0.5)


def phrases(poses, **more):
    return scoring.describe(poses, FPS, BEATS, SimpleNamespace(frames_per_beat=24, window_beats=2), **more)["phrases"]


def test_a_copied_dance_has_no_distance_over_8_beats_at_any_phase():
    train, other = dances(0, count=2, seconds=30, fps=FPS)
    known = phrases(train, hop=1)
    assert known.shape[1] == 8 * 4 * 30
    for quarters in range(1, 9):  # 24 s of it, from so many quarters of a beat on
        copied = train[3 * quarters :][: 24 * FPS]
        assert nearest_training_distance(phrases(copied), known).max() < 2e-3
        assert nearest_training_distance(phrases(skeleton.mirror(copied)), known).max() < 2e-3
    between = nearest_training_distance(
        phrases(train[1:][: 24 * FPS]), known
    )  # a third of a quarter off, the worst phase
    unlike = nearest_training_distance(phrases(other), known)
    assert between.max() < 0.25 * unlike.min()
    moved = nearest_training_distance(phrases(train) + 0.1, known)
    assert moved.max() == pytest.approx(0.1 * np.sqrt(2), rel=0.05)  # both coordinates of every joint


def test_the_sign_test():
    assert scoring.sign_test(np.arange(1.0, 8)) == pytest.approx(2 / 2**7)  # 7 of 7: 0.0156
    assert scoring.sign_test(-np.arange(1.0, 8)) == pytest.approx(2 / 2**7)
    assert scoring.sign_test(np.array([1, 1, -1, 0, np.nan])) == 1  # 2 of 3, as 1 of 3, is no surprise
    assert np.isnan(scoring.sign_test(np.zeros(3)))


def test_no_frame_is_on_both_sides_of_a_division():
    seconds = np.arange(0, 96, 2.0)
    song = {"motion": np.zeros((2500, 15, 2)), "kinetic": seconds[:, None], "times": {"kinetic": seconds}}
    dances = {clip: song for clip in "abc"}
    division = set_measures._divide(dances, np.random.default_rng(0))
    own, theirs = (set_measures._side(dances, division, "kinetic", side) for side in (True, False))
    for clip in dances:
        assert len(own[clip]) and len(theirs[clip])
        assert np.abs(own[clip] - theirs[clip].T).min() >= 4  # seconds, a window's length
    longer = {"a": song | {"kinetic": seconds[:, None] + 100, "times": {"kinetic": seconds + 100}}}
    assert not len(set_measures._side(longer, division, "kinetic", True)["a"])  # past the end of the real dance


def samples(points, songs="ab"):
    """Return a row whose clips have these points (N, 2), one every 2 s."""
    times = {key: np.arange(len(points)) * 2.0 for key in ("kinetic", "geometric", "poses", "windows")}
    return {clip: dict.fromkeys(times, points) | {"times": times, "motion": np.zeros((2500, 1, 2))} for clip in songs}


def test_precision_is_a_songs_own_and_recall_that_of_all():
    rng = np.random.default_rng(0)
    real = samples(rng.uniform(0, 1, (50, 2)))
    reference = set_measures.Reference(real, 0)
    row = [samples(rng.uniform(0, 1, (50, 2)), "a") | samples(rng.uniform(5, 6, (50, 2)), "b")]
    songs = {"a": "one", "b": "other"}
    precision = set_measures.precision(row, reference, "windows", songs)
    assert precision.shape == (1, 2) and precision[0, 0] > 0.7 and precision[0, 1] == 0
    value, low, high = set_measures.measure(row, reference, songs, 0)["recall_windows"]
    assert 0.7 < value <= high <= 1 and low < value - 0.2  # without song a there is none
    shared = dict.fromkeys("ab", "one")  # two clips to the same song are one sample
    joined = set_measures.precision(row, reference, "windows", shared)
    assert joined.shape == (1, 1) and joined[0, 0] == pytest.approx(precision.mean(), abs=0.05)
    assert np.isnan(set_measures.measure(row, reference, shared, 0)["recall_windows"][1:]).all()
