import dataclasses

import numpy as np
import pytest
from toy_graph import BEAT, BOOK, held, make_units, swaying

from learn2dance.motion import windows
from learn2dance.music import beat_grid
from learn2dance.music2pose import units
from learn2dance.tokens.codebook import Codebook


def clip(number, count, style):
    """Return a clip as `dataset.load` does; tokens and motion of a window depend on the clip and the beat."""
    tokens = np.arange(count)[:, None] + 100 * number + np.zeros(8, np.int64)
    motion = windows.dct_coefficients(held(tokens[:, :1] + np.zeros(33)).reshape(count, -1), 2 * BEAT)
    bar = beat_grid.bar_positions(count, 2 - number, 4)
    return {"known": np.ones(count, bool), "tokens": tokens, "motion": motion, "bar": bar, "tempo": 100.0 + number,
            "style": style}  # fmt: skip


def collect(clips, styles):
    return units.collect(clips, styles, lambda name: clips[name]["motion"])


def test_units_are_the_valid_windows_of_all_clips():
    clips = {"a": clip(0, 5, "waltz"), "b": clip(1, 7, "tango"), "c": clip(2, 6, None)}
    clips["b"]["known"][[0, 3]] = False
    found = collect(clips, ("tango", "waltz"))
    assert found.clip.tolist() == [0] * 5 + [1] * 5 + [2] * 6
    assert found.beat.tolist() == [0, 1, 2, 3, 4, 1, 2, 4, 5, 6, 0, 1, 2, 3, 4, 5]
    assert (found.tokens == (found.beat + 100 * found.clip)[:, None]).all()
    assert found.style.tolist() == [2] * 5 + [1] * 5 + [0] * 6 and (found.tempo == 100 + found.clip).all()
    assert (found.bar == (found.clip + found.beat - 2) % 4 + 3).all()  # beat 2 of the song is a downbeat
    # Of a held pose only the first DCT coefficient is not 0: the pose times the root of the number of frames.
    np.testing.assert_allclose(found.motion[:, :33], np.outer(found.beat + 100 * found.clip, np.full(33, 4)), rtol=1e-5)
    np.testing.assert_allclose(found.motion[:, 33:], 0, atol=1e-3)


def test_of_too_many_units_runs_are_kept(monkeypatch):
    """So that a recording can still be continued from beat to beat."""
    run, clips = units.RUN, {"a": clip(0, 100, "waltz"), "b": clip(1, 41, "waltz")}
    clips["b"]["known"][3] = False
    monkeypatch.setattr(units, "MOST", 140)
    assert len(collect(clips, ("waltz",)).beat) == 140
    monkeypatch.setattr(units, "MOST", 70)
    found = collect(clips, ("waltz",))
    assert 0 < len(found.beat) < 140
    for number, one in enumerate(clips.values()):
        beats = found.beat[found.clip == number]
        assert beats.tolist() == [b for b in np.flatnonzero(one["known"]) if b // run in beats // run]
    assert (found.tokens == (found.beat + 100 * found.clip)[:, None]).all()


def test_of_too_many_clips_runs_are_drawn_from_all_over(monkeypatch):
    """Of many short clips too: not more than that, and not beginnings alone."""
    run = units.RUN
    monkeypatch.setattr(units, "MOST", 60 * run)
    styles = ["tango"] + ["waltz"] * 60 + [None] * 40
    clips = {str(number): clip(number, 5 * run, style) for number, style in enumerate(styles)}
    found = collect(clips, ("tango", "waltz"))
    assert (found.style == 1).sum() == 5 * run  # all of the rare one
    for style in (2, 0):  # half of the rest each: 27.5 runs, with a deviation of 5, of 300 and 200
        runs = found.beat[found.style == style][::run] // run
        assert 10 < len(runs) < 45 and len(np.unique(found.clip[found.style == style])) > 8
        assert np.bincount(runs, minlength=5).min() > 0


def random_book():
    rng = np.random.default_rng(0)
    centroids = rng.normal(size=(3, 5, BEAT * 33)).astype(np.float32)
    return Codebook(centroids, 2, np.zeros(BEAT * 33, np.float32), frames_per_beat=BEAT)


@pytest.mark.parametrize(("counts", "mirrored"), [((3, 6), [1]), ((5, 5), []), ((2, 2), [1, 2])])
def test_only_styles_with_few_units_get_mirror_images(monkeypatch, counts, mirrored):
    monkeypatch.setattr(units, "SMALL", 5)
    style = np.repeat([1, 2], counts)
    motion = np.pad(swaying(len(style)), [(0, 0), (0, 0), (0, 3)])
    motion[:, :, 30:] = np.random.default_rng(1).normal(size=(len(style), 1, 3))
    plain = make_units(motion, bar=np.arange(len(style)) % 4 + 3, style=style, tempo=100.0 + np.arange(len(style)))
    found = units.with_mirror_images(plain, random_book())
    count, few = len(style), np.isin(style, mirrored)
    assert len(found.bar) == count + few.sum()
    for field in dataclasses.fields(units.Units):
        np.testing.assert_array_equal(getattr(found, field.name)[:count], getattr(plain, field.name))
    for name in ("bar", "style", "tempo", "beat"):
        np.testing.assert_array_equal(getattr(found, name)[count:], getattr(plain, name)[few])
    assert not np.isin(found.clip[count:], plain.clip).any()  # clips of their own, one for each
    assert len(np.unique(found.clip)) == len(found.clip)
    if not mirrored:
        return
    images = windows.from_dct(found.motion[count:], 2 * BEAT)
    np.testing.assert_allclose(windows.mirror(images), windows.from_dct(plain.motion[few], 2 * BEAT), atol=1e-5)
    np.testing.assert_array_equal(found.tokens[count:], random_book().encode(images))


def test_the_mirror_image_of_a_mirror_image_is_the_unit(monkeypatch):
    monkeypatch.setattr(units, "SMALL", 100)
    plain = make_units(swaying(4))
    images = [getattr(units.with_mirror_images(plain, BOOK), field.name)[4:] for field in dataclasses.fields(plain)]
    again = units.with_mirror_images(units.Units(*images), BOOK)
    np.testing.assert_allclose(again.motion[4:], plain.motion, atol=1e-6)
    assert np.abs(again.motion[:4] - plain.motion).max() > 0.1
