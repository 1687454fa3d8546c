"""Plans of songs whose energy and form are given."""

import numpy as np
import pytest
from toy_graph import graph, swaying

from learn2dance.music import form
from learn2dance.music2pose import plan
from learn2dance.music2pose.plan import plan_song


@pytest.fixture
def heard(monkeypatch):
    """Return a function that makes a song of 4/4 at 120 BPM with this energy, silence and form, beat by beat."""

    def make(count, first=0.0, loud=0.0, silent=(), phrases=(0,), repeats=(0,), **more):
        loud, quiet = np.broadcast_to(loud, count), np.isin(np.arange(count), silent)
        found = form.Form(np.array(phrases), np.array(repeats), np.zeros(len(phrases), np.int64))
        monkeypatch.setattr(plan.energy, "beat_energy", lambda music: loud)
        monkeypatch.setattr(plan.energy, "silent_beats", lambda music: quiet)
        monkeypatch.setattr(plan.form, "find", lambda music: found)
        beats = first + 0.5 * np.arange(count)
        return {"beats": beats, "duration": beats[-1], "downbeat": 0, "beats_per_bar": 4} | more

    return make


def known(count=20, **columns):
    return graph(swaying(count), **columns)


def planned(units, music, variation=0.0, strength=1.0, seed=0):
    return plan_song(units, music, 1, np.random.default_rng(seed), variation, strength)


@pytest.mark.parametrize(("first", "lead"), [(0.0, 0), (0.3, 1), (0.9, 2)])
@pytest.mark.parametrize("metre", [3, 4])
def test_beats_in_front_of_the_song_count_as_its_beats_do(heard, first, lead, metre):
    music = heard(13, first, phrases=[0, 8], repeats=[0, 1], downbeat=2, beats_per_bar=metre)
    found = planned(known(), music)
    count = 13 + lead - 2  # the last window starts two beats before the end
    assert len(found.bar) == len(found.begins) == len(found.repeats) == len(found.held) == len(found.scores) == count
    assert (found.bar == (np.arange(count) - lead - 2) % metre + (0 if metre == 3 else 3)).all()
    assert np.flatnonzero(found.begins).tolist() == [lead, lead + 8]


def test_a_unit_far_from_the_songs_tempo_is_avoided(heard):
    tempo = np.array([120.0, 60, 240, 120 * np.e**0.2, 100, 140])
    (scores, *_) = planned(known(6, tempo=tempo), heard(10)).scores
    np.testing.assert_allclose(scores - scores[0], -plan.TEMPO_WEIGHT * np.log(tempo / 120) ** 2, atol=1e-6)
    assert scores[0] == scores.max() and scores[1] == pytest.approx(scores[2])  # half and double time
    # The beats decide, not the tempo as tracked: they may be counted in half time.
    slow = heard(10, tempo=120.0) | {"beats": np.arange(10) * 1.0, "duration": 9.0}
    assert planned(known(6, tempo=tempo), slow).scores[0].argmax() == 1


def test_energetic_beats_get_energetic_units(heard):
    units, loud = known(200), np.array([-1.0] * 6 + [1.0] * 6)
    energy = units.energy(1)
    found = np.array(planned(units, heard(12, loud=loud)).scores)  # (beats, units)
    for beat, expected in ((0, -1), (4, -1), (5, 0), (6, 1), (9, 1)):  # a window lasts two beats
        np.testing.assert_allclose(found[beat], expected * plan.ENERGY_WEIGHT * energy, atol=1e-6)
    np.testing.assert_allclose(planned(units, heard(12, loud=loud), strength=2.0).scores, 2 * found, atol=1e-6)
    np.testing.assert_allclose(planned(units, heard(12, loud=loud), strength=0.0).scores, 0 * found, atol=1e-6)


def test_energy_at_the_ends_of_a_song_is_that_of_its_first_and_last_beat(heard):
    units = known(20)
    music = heard(6, 0.9, loud=[1.0, 0, 0, 0, 0, -1.0]) | {"duration": 4.3}  # two beats in front, two behind
    found = (
        np.array(planned(units, music).scores)
        @ units.energy(1)
        / (units.energy(1) @ units.energy(1))
        / plan.ENERGY_WEIGHT
    )
    np.testing.assert_allclose(found, [1, 1, 0.5, 0, 0, 0, -0.5, -1], atol=1e-6)


def test_the_pose_is_held_where_both_beats_of_a_window_are_silent(heard):
    found = planned(known(), heard(20, 0.4, silent=[0, 1, 8, 9, 10, 15]))
    assert np.flatnonzero(found.held).tolist() == [0, 1, 9, 10]  # one beat in front, which is silent as the first one


def test_phrases_repeat_the_beats_of_those_that_they_repeat(heard):
    music = heard(40, 0.4, phrases=[-4, 4, 12, 20, 28, 36], repeats=[0, 1, 1, 3, 0, 3])
    found = planned(known(), music).repeats
    expected = np.full(39, -1)  # with one beat in front
    expected[13:21] = np.arange(5, 13)
    expected[29 + 4 : 37] = np.arange(1, 5)  # the first half of what is repeated is cut by the song's start …
    expected[29 + 3] = 0  # … but for the beat in front
    expected[37:39] = np.arange(21, 23)  # and the last phrase is cut by the end
    np.testing.assert_array_equal(found, expected)


def test_a_shorter_phrase_is_repeated_no_farther_than_it_goes(heard):
    found = planned(known(), heard(22, phrases=[0, 4, 8], repeats=[0, 1, 0])).repeats
    assert found.tolist() == [-1] * 8 + [0, 1, 2, 3] + [-1] * 8


def test_the_fraction_of_bars_that_are_danced_anew(heard):
    phrases = np.arange(0, 808, 8)
    music = heard(810, phrases=phrases, repeats=np.arange(len(phrases)) % 2)
    whole = planned(known(), music).repeats.reshape(-1, 4)
    assert (whole[:4] == -1).all() and (whole[4:] >= 0).all()
    assert (planned(known(), music, variation=1.0).repeats == -1).all()
    for variation in (0.25, 0.6):
        found = planned(known(), music, variation).repeats.reshape(-1, 4)
        anew = (found == -1).all(1)
        assert ((found == whole).all(1) | anew).all()  # whole bars
        assert anew[4:].mean() == pytest.approx(variation, abs=0.1)
        other = planned(known(), music, variation, seed=1).repeats.reshape(-1, 4)
        assert (found != other).any()


def test_a_phrase_that_comes_again_much_louder_is_danced_anew(heard):
    for rise, again in ((0.9 * plan.OTHER_ENERGY, True), (1.1 * plan.OTHER_ENERGY, False)):
        loud = np.repeat([-rise / 2, rise / 2], 8)
        found = planned(known(), heard(17, phrases=[0, 8], repeats=[0, 0], loud=[*loud, rise / 2])).repeats
        assert found.tolist() == [-1] * 8 + ([0, 1, 2, 3, 4, 5, 6] if again else [-1] * 7)
