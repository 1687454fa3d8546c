import numpy as np
import pytest
from test_motion_features import STANDING

from learn2dance.metrics.form import form_distances
from learn2dance.motion.kinematics import METRIC_FPS

BEATS = np.arange(97) * 0.5  # 12 phrases of 8 beats, 4 s each
PHRASES = np.arange(0, 96, 8)
SECTIONS = np.repeat([0, 1, 0], 4)
REPEATS = np.array([*range(8), *range(4)])


def dancing(offsets, beats=BEATS):
    """Return a dance that stands still but for its height: one offset for each of the first 96 beats."""
    number = np.interp(np.arange(int(beats[-1] * METRIC_FPS)) / METRIC_FPS, beats, np.arange(len(beats)))
    poses = np.tile(STANDING, (len(number), 1, 1))
    poses[..., 1] += offsets[np.minimum(number.astype(int), 95)][:, None]
    return poses


def measured(offsets, beats=BEATS, repeats=REPEATS, sections=SECTIONS):
    return form_distances(dancing(offsets, beats), beats, PHRASES, repeats, sections)


def test_an_exact_repetition_has_distance_zero_and_the_contrast_is_the_distance_of_the_sections():
    found = measured(np.repeat([0.0, 0.5, 0.0], 32))
    assert found["form_repeated"] == 0
    assert found["form_contrast"] == pytest.approx(0.5, rel=0.05)  # frames between two beats are blended
    assert found["form_ratio"] == 0


def test_a_repetition_that_is_half_as_far_as_the_contrast_has_half_the_ratio():
    found = measured(np.repeat([0.0, 0.4, 0.2], 32))
    assert found["form_repeated"] == pytest.approx(0.2, rel=0.05)
    assert found["form_contrast"] == pytest.approx(0.3, rel=0.05)  # 0.4 from the first, 0.2 from the last
    assert found["form_ratio"] == pytest.approx(2 / 3, rel=0.05)


def test_a_dance_that_does_not_follow_the_music_has_a_ratio_of_about_one():
    rng = np.random.default_rng(0)
    ratios = [measured(rng.standard_normal(96))["form_ratio"] for _ in range(30)]
    assert np.mean(ratios) == pytest.approx(1, abs=0.05)


def test_tempo_makes_no_difference():
    rng = np.random.default_rng(0)
    offsets, drifting = rng.standard_normal(96), np.concatenate([[0], np.cumsum(np.linspace(0.4, 0.9, 96))])
    first, second = measured(offsets), measured(offsets, drifting)
    for key, value in first.items():
        assert second[key] == pytest.approx(value, rel=0.05)


def test_a_song_in_which_nothing_comes_again_has_no_ratio():
    offsets = np.random.default_rng(0).standard_normal(96)
    found = measured(offsets, repeats=np.arange(12), sections=np.repeat([0, 1, 2], 4))
    assert np.isnan(found["form_repeated"]) and np.isnan(found["form_ratio"]) and found["form_contrast"] > 0
    found = form_distances(dancing(offsets), BEATS, np.array([-3]), np.zeros(1, int), np.zeros(1, int))
    assert np.isnan(list(found.values())).all()


def test_in_a_song_of_one_section_the_contrast_is_between_phrases_that_do_not_repeat_each_other():
    """Heights 0, 1, 2, 3 by phrase, again and again; the phrases of a cycle are 5/3 apart on average."""
    cycle = np.repeat(np.tile(np.arange(4.0), 3), 8)
    found = measured(cycle, repeats=np.tile(np.arange(4), 3), sections=np.zeros(12, int))
    assert found["form_repeated"] < 0.2  # not 0: frames between the phrases are blended differently at the ends
    assert found["form_contrast"] == pytest.approx(5 / 3, rel=0.05)


def test_missing_frames_are_left_out():
    motion = dancing(np.repeat([0.0, 0.5, 0.0], 32))
    motion[450:500] = np.nan  # half of a phrase of B
    motion[800:1000] = np.nan  # two phrases of A'
    found = form_distances(motion, BEATS, PHRASES, REPEATS, SECTIONS)
    assert found["form_repeated"] == 0 and found["form_contrast"] == pytest.approx(0.5, rel=0.05)
    motion[800:] = np.nan
    assert np.isnan(form_distances(motion, BEATS, PHRASES, REPEATS, SECTIONS)["form_ratio"])
