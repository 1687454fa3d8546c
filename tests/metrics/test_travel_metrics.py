import numpy as np
import pytest

from learn2dance.metrics.travel import foot_slide, travel_range, travel_speed
from learn2dance.motion import travel
from learn2dance.motion.skeleton import BODY_15, MID_HIP

RIGHT, LEFT = BODY_15.index("RAnkle"), BODY_15.index("LAnkle")
FPS = 25  # frames per second at which motion is measured


def standing(frames=250):
    """Return a figure (T, 15, 2) that stands still, its right foot the lower one."""
    joints = np.random.default_rng(0).normal(0, 0.3, (15, 2))
    joints[MID_HIP], joints[RIGHT], joints[LEFT] = (0, 0), (-0.2, -1.8), (0.2, -1.75)
    return np.repeat(joints[None], frames, 0)


def walking(frames=250, pace=1.0, stance=0.48):
    """Return a figure (T, 15, 2) that walks across at ``pace``: while one foot stands, the other swings over it."""
    phase, taken = np.modf(np.arange(frames) / FPS / stance)  # of the present step; steps before it
    motion, step = standing(frames), pace * stance
    motion[..., 0] += step * (taken + phase)[:, None]
    lift = 0.2 * np.sin(np.pi * phase)
    for foot, first in ((RIGHT, 0), (LEFT, 1)):
        stands = taken % 2 == first
        across = np.where(stands, step * (taken + 0.5), step * (taken - 0.5 + 2 * phase))
        motion[:, foot] = np.stack([across, np.where(stands, 0.0, lift) - 1.8], 1)
    return motion


def test_the_speed_of_a_dancer_who_travels_steadily():
    motion = standing() + np.outer(np.arange(250) / FPS * -0.8, [1, 0])[:, None]
    assert travel_speed(motion) == pytest.approx(0.8)
    assert travel_range(motion) == pytest.approx(0.8 * 249 / FPS)
    motion[..., 1] += np.sin(np.arange(250))[:, None]  # up and down is not across the floor
    assert travel_speed(motion) == pytest.approx(0.8)
    back_and_forth = standing() + np.outer(2 * np.sin(np.arange(250) / 250 * 2 * np.pi), [1, 0])[:, None]
    assert travel_range(back_and_forth) == pytest.approx(4, abs=0.01)
    assert travel_speed(back_and_forth) == pytest.approx(8 / 10, abs=0.01)  # 8 torso lengths in 10 seconds
    assert travel_speed(standing()) == travel_range(standing()) == 0


def test_missing_frames_do_not_count():
    motion = standing() + np.outer(np.arange(250) / FPS * 0.8, [1, 0])[:, None]
    motion[40:60] = np.nan
    assert travel_speed(motion) == pytest.approx(0.8) and travel_range(motion) == pytest.approx(0.8 * 249 / FPS)
    assert foot_slide(motion) == pytest.approx(1)
    nothing = np.full((20, 15, 2), np.nan)
    assert np.isnan([travel_speed(nothing), travel_range(nothing), foot_slide(nothing)]).all()


def test_feet_of_a_walk_hold_the_floor_but_not_if_it_is_root_centred():
    motion = walking()
    assert travel_speed(motion) == pytest.approx(1.0)
    assert foot_slide(motion) < 0.1
    # The standing foot moves back as fast as the hips go on, and so does the other one forth.
    assert foot_slide(travel.rooted(motion)) > 0.7


def test_feet_that_move_alike_slide():
    motion = standing() + np.outer(np.arange(250) / FPS * 0.8, [1, 0])[:, None]  # a figure that glides
    assert foot_slide(motion) == pytest.approx(1)
    motion[:, RIGHT, 0] = motion[0, RIGHT, 0]
    assert foot_slide(motion) == 0
    motion[:, RIGHT, 0] += np.arange(250) / FPS * 0.2  # the lower one, at a quarter of the speed
    assert foot_slide(motion) == pytest.approx(0.25)


def test_feet_that_never_move_have_no_slide():
    assert np.isnan(foot_slide(np.ones((100, 15, 2))))
