import numpy as np
import pytest

from learn2dance.gan import conditioning
from learn2dance.gan.conditioning import FEATURES, STEPS, Timeline
from learn2dance.music.beat_grid import BAR_POSITIONS

TEMPO, ENERGY, MUSIC = BAR_POSITIONS, BAR_POSITIONS + 1, BAR_POSITIONS + 2  # columns after the position in the bar


def song(beats_per_bar=4, seconds=20, downbeat=1, beat=0.5, louder_from=None):
    """Return music with its first beat at 0.5 s, of a constant level, or louder from this time on."""
    clock = np.arange(seconds * 30) / 30
    level = np.ones(len(clock)) if louder_from is None else np.where(clock < louder_from, 1.0, 3.0)
    mel = np.repeat(level[:, None], 128, 1).astype(np.float32)
    return {"mel": mel, "rms": level.astype(np.float32), "fps": 30.0, "beats": np.arange(0.5, seconds - 0.25, beat),
            "downbeat": downbeat, "beats_per_bar": beats_per_bar, "tempo": 60 / beat,
            "duration": float(seconds)}  # fmt: skip


def uneven(count=12, seed=0):
    """Return a timeline whose beats have different lengths."""
    beats = np.cumsum(np.random.default_rng(seed).uniform(0.4, 0.7, count + 1))
    return Timeline(beats - beats[0], np.zeros((count, FEATURES), np.float32))


def moving(times, joints=3):
    """Return poses at these times: each coordinate swings below 0.6 Hz."""
    phases = times[:, None] * np.linspace(0.2, 0.6, 2 * joints) + np.linspace(0, 1, 2 * joints)
    return np.sin(2 * np.pi * phases).reshape(len(times), joints, 2).astype(np.float32)


def test_steps_divide_each_beat():
    line = Timeline(np.array([-0.2, 0.6, 1.0]), np.zeros((2, FEATURES), np.float32))
    assert line.steps == 2 * STEPS
    within = np.arange(STEPS) / STEPS
    np.testing.assert_allclose(line.step_times(), np.concatenate([-0.2 + 0.8 * within, 0.6 + 0.4 * within]))


def test_cubic_motion_is_sampled_exactly():
    clock = np.arange(150) / 25
    poses = np.stack([clock**3 / 50 - clock, 2 - clock**2 / 9], 1)[:, None].astype(np.float32)
    line = uneven(10)
    steps, known = line.to_steps(poses, 25.0)
    at = line.step_times()
    inside = at <= clock[-1]
    expected = np.stack([at**3 / 50 - at, 2 - at**2 / 9], 1)[:, None]
    assert steps.shape == (10 * STEPS, 1, 2) and steps.dtype == np.float32 and inside.sum() > 60
    np.testing.assert_allclose(steps[inside], expected[inside], atol=1e-5)
    assert known[inside].all()


def test_steps_of_a_cubic_give_the_cubic_at_each_frame():
    """Of beats of one length: a spline over steps is one over time."""
    line = conditioning.uniform(5.0)
    at, frames = line.step_times(), np.arange(150) / 30
    steps = np.stack([at**3 / 50 - at, 2 - at], 1)[:, None].astype(np.float32)
    found = line.to_frames(steps, 150, 30.0)
    assert found.shape == (150, 1, 2) and found.dtype == np.float32
    np.testing.assert_allclose(found[:, 0], np.stack([frames**3 / 50 - frames, 2 - frames], 1), atol=1e-5)


@pytest.mark.parametrize("fps", [24.0, 30.0, 59.94])
@pytest.mark.parametrize("line", [conditioning.uniform(6.0), uneven(14)], ids=["uniform", "uneven"])
def test_slow_motion_is_the_same_at_the_steps_and_back(line, fps):
    poses = moving(np.arange(int(6 * fps)) / fps)
    steps, known = line.to_steps(poses, fps)
    inside = line.step_times() <= (len(poses) - 1) / fps
    assert (known >= inside).all()
    np.testing.assert_allclose(steps[inside], moving(line.step_times())[inside], atol=2e-3)
    back = line.to_frames(np.where(known[:, None, None], steps, steps[known][-1]), len(poses), fps)
    inner = slice(0, int(5.5 * fps))  # without those steps after the end, which are not known
    np.testing.assert_allclose(back[inner], poses[inner], atol=0.01)


def test_missing_joints_are_missing_at_the_steps_between():
    poses = moving(np.arange(90) / 30)
    complete, _ = conditioning.uniform(2.5).to_steps(poses, 30.0)
    poses[40:44, 1] = np.nan  # 1.33 … 1.43 s: seen at 1.30 and at 1.47 s
    line = conditioning.uniform(2.5)
    steps, known = line.to_steps(poses, 30.0)
    at = line.step_times()
    lost = (at > 1.301) & (at < 1.466)
    np.testing.assert_array_equal(np.isnan(steps[:, 1]).all(1), np.isnan(steps[:, 1]).any(1))
    np.testing.assert_array_equal(np.isnan(steps[:, 1]).any(1)[at < 2.9], lost[at < 2.9])
    np.testing.assert_array_equal(known[at < 2.9], ~lost[at < 2.9])
    far = (at < 1.0) | ((at > 1.8) & (at < 2.9))
    np.testing.assert_allclose(steps[far], complete[far], atol=5e-3)  # the gap has little effect elsewhere


def test_there_is_no_pose_before_the_first_frame_and_after_the_last():
    line = Timeline(np.array([-0.5, 0.0, 0.5, 1.0, 1.5]), np.zeros((4, FEATURES), np.float32))
    steps, known = line.to_steps(moving(np.arange(31) / 30), 30.0)  # 0 … 1 s
    at = line.step_times()
    np.testing.assert_array_equal(known, (at > -1 / 30) & (at < 1 + 1 / 30))
    assert np.isnan(steps[~known]).all()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_few_frames_are_sampled_too(count):
    poses = moving(np.arange(count) / 30)
    steps, known = conditioning.uniform(count / 30).to_steps(poses, 30.0)
    assert known[0] and not known[-1]
    np.testing.assert_allclose(steps[0], poses[0], atol=1e-6)


def test_without_music_beats_are_uniform_and_cover_the_duration():
    for seconds in (0.1, 3.0, 7.3):
        line = conditioning.uniform(seconds)
        np.testing.assert_allclose(np.diff(line.beats), conditioning.UNIFORM)
        assert line.beats[0] == 0 and line.beats[-1] >= seconds and not line.features.any()
        assert line.features.shape == (len(line.beats) - 1, FEATURES) and line.features.dtype == np.float32
        assert line.step_times()[-1] >= seconds  # so the dance does not stand still before its end


def test_each_beat_has_its_position_in_the_bar():
    """The song has 120 beats a minute, the first at 0.5 s; its second beat is a downbeat."""
    line = conditioning.of_music(song(), 20.0)
    np.testing.assert_allclose(line.beats, np.arange(41) / 2, atol=1e-9)
    position = line.features[:, :BAR_POSITIONS]
    assert set(np.unique(position)) == {0, 1} and (position.sum(1) == 1).all()
    # The beat at 0.5 s is the last of a bar of four, and the one at 0 s, before the first of the song, is the third.
    np.testing.assert_array_equal(position.argmax(1), 3 + (np.arange(40) + 2) % 4)
    waltz = conditioning.of_music(song(3, downbeat=0), 20.0).features[:, :BAR_POSITIONS]
    np.testing.assert_array_equal(waltz.argmax(1), (np.arange(40) + 2) % 3)
    assert (waltz.sum(1) == 1).all() and not waltz[:, 3:].any()


def test_tempo_and_presence_of_music():
    for beat in (0.25, 0.5, 1.0):
        features = conditioning.of_music(song(beat=beat), 20.0).features
        octaves = np.log2(beat / conditioning.UNIFORM)
        np.testing.assert_allclose(features[:, TEMPO], 2 * np.log(2) * octaves, atol=1e-5)
        assert (features[:, MUSIC] == 1).all() and features.dtype == np.float32


def test_louder_passages_have_more_energy():
    np.testing.assert_allclose(conditioning.of_music(song(), 20.0).features[:, ENERGY], 0, atol=1e-5)
    line = conditioning.of_music(song(louder_from=10.0), 20.0)
    energy = line.features[:, ENERGY]
    early, late = energy[line.beats[1:] < 6], energy[line.beats[:-1] > 14]
    assert early.max() < -0.3 and late.min() > 0.3
    assert energy[0] == energy[1]  # before the first beat of the song it is that of the first


def test_the_energy_is_that_of_its_time_if_the_first_beat_is_late():
    """The level rises at 10 s; before the song's first beat, the energy is that of the first."""
    rises = []
    for first in (0, 9):
        music = song(louder_from=10.0, downbeat=0)
        music["beats"] = music["beats"][first:]
        line = conditioning.of_music(music, 20.0)
        energy = line.features[:, ENERGY]
        assert (energy[: first + 1] == energy[first + 1]).all() and energy.max() > 0 > energy.min()
        rises.append(line.beats[np.argmax(np.diff(energy)) + 1])
    assert rises == pytest.approx([10, 10], abs=0.75)


def test_beats_are_continued_beyond_those_of_the_song():
    music = song()
    music["beats"], music["downbeat"] = music["beats"][3:9], 0  # 2.0 … 4.5 s
    line = conditioning.of_music(music, 8.2)
    np.testing.assert_allclose(line.beats, np.arange(18) / 2, atol=1e-9)
    np.testing.assert_array_equal(line.features[:, :BAR_POSITIONS].argmax(1), 3 + np.arange(17) % 4)


def test_aligned_beats_change_the_time_axis():
    """The dance takes 1.25 s for each second of the song."""
    music = song(louder_from=10.0)
    line, usual = conditioning.of_music(music, 25.0, 1.25 * music["beats"]), conditioning.of_music(music, 20.0)
    np.testing.assert_allclose(line.beats, 1.25 * usual.beats, atol=1e-9)
    columns = [i for i in range(FEATURES) if i != TEMPO]
    np.testing.assert_array_equal(line.features[:, columns], usual.features[:, columns])
    np.testing.assert_allclose(line.features[:, TEMPO], usual.features[:, TEMPO] + 2 * np.log(1.25), atol=1e-5)


def test_a_part_of_a_timeline_keeps_its_beats():
    line = conditioning.of_music(song(), 20.0)
    part = line.cut(3.2, 6.5)
    np.testing.assert_allclose(part.beats, np.arange(3.0, 6.6, 0.5) - 3.2, atol=1e-9)  # 3.0 … 6.5 s
    np.testing.assert_array_equal(part.features, line.features[6:13])
    assert part.beats[0] <= 0 and part.beats[-1] >= 6.5 - 3.2
    exact = line.cut(3.0, 6.6)
    assert exact.beats[0] == 0 and exact.beats[-1] == pytest.approx(4.0)
    complete = line.cut(0.0, 20.0)
    np.testing.assert_array_equal(complete.beats, line.beats)
    np.testing.assert_array_equal(complete.features, line.features)


def test_motion_of_a_part_is_that_part_of_the_motion():
    poses = moving(np.arange(300) / 30)
    line = uneven(30)
    steps, _ = line.to_steps(poses, 30.0)
    part = line.cut(3.0, 7.0)
    found, _ = part.to_steps(poses[90:], 30.0)
    first = np.flatnonzero(np.isclose(line.step_times() - 3.0, part.step_times()[0]))[0]
    inside = (part.step_times() > 0.2) & (part.step_times() < 4)
    np.testing.assert_allclose(found[inside], steps[first : first + len(found)][inside], atol=1e-3)
