import numpy as np
import pytest

from learn2dance.motion import travel, travel_model
from learn2dance.motion.travel_model import TravelModel

FPS = 15.0


def standing(seconds, joints=15):
    """Return poses whose feet do not move relative to the hips."""
    poses = np.zeros((int(seconds * FPS), joints, 2), np.float32)
    if joints > max(travel.FEET):
        poses[:, travel.FEET] = [[-0.2, -2], [0.2, -2]]
    return poses


def stepping(seconds, step, fps=FPS):
    """Return poses that walk to the right, one step a second: the lower foot goes back while the other goes ahead."""
    phase = np.arange(int(seconds * fps)) / fps
    poses = np.zeros((len(phase), 15, 2), np.float32)
    for foot, joint in enumerate(travel.FEET):
        t = (phase + foot) % 2  # on the floor in the first second, in the air in the second
        poses[:, joint, 0] = step * np.where(t < 1, 0.5 - t, t - 1.5)
        poses[:, joint, 1] = -2 + 0.3 * np.where(t < 1, 0, np.sin(np.pi * (t - 1)))
    return poses


def wandering(memory, pull, deviation, seconds, seed):
    """Return a path whose speed each second is ``memory * before + pull * position + deviation * noise``."""
    rng, position, speed, found = np.random.default_rng(seed), 0.0, 0.0, []
    for _ in range(seconds + 1):
        found.append(position)
        speed = memory * speed + pull * position + deviation * rng.standard_normal()
        position += speed
    across = np.interp(np.arange(seconds * FPS) / FPS, np.arange(seconds + 1), found)
    return np.stack([across, np.zeros_like(across), np.zeros_like(across)], axis=1).astype(np.float32)


def test_the_fit_finds_the_process_that_made_the_paths():
    dances = [(standing(300), wandering(0.6, -0.05, 0.4, 300, seed), FPS) for seed in range(8)]
    found = travel_model.fit(dances)
    # The smoothing of the paths mixes the seconds a little.
    assert found.memory[0] == pytest.approx(0.6, abs=0.12) and found.pull[0] == pytest.approx(-0.05, abs=0.02)
    assert found.deviation[0] == pytest.approx(0.4, rel=0.25) and found.deviation[1] == 0


def test_dances_of_other_frame_rates_give_the_same_fit():
    """A path that is linear within each second, sampled at two frame rates."""
    found = []
    for fps in (FPS, 30.0):
        seconds, motion = np.arange(3000 * fps / FPS) / fps, wandering(0.6, -0.05, 0.4, 200, 0)
        path = np.stack([np.interp(seconds, np.arange(len(motion)) / FPS, column) for column in motion.T], axis=1)
        found.append(travel_model.fit([(np.zeros((len(path), 15, 2), np.float32), path, fps)]))
    assert found[0].memory[0] == pytest.approx(found[1].memory[0], abs=0.01) and found[0].memory[0] > 0.3
    assert found[0].deviation[0] == pytest.approx(found[1].deviation[0], rel=0.01)


NONE = TravelModel((0.0, 0.0), (0.0, 0.0), (0.0, 0.0), (0.0, 0.0))


def test_the_foot_on_the_floor_stays_and_the_dancer_goes_on():
    poses = stepping(6, 0.8, 30.0)
    path = travel_model.path_of(NONE, poses, 30.0, 12, np.random.default_rng(0))
    feet = travel.place(poses, path)[:, travel.FEET, 0]
    for second in range(6):
        middle = slice(30 * second + 6, 30 * second + 24)
        assert np.ptp(feet[middle, second % 2]) < 0.2 < 0.4 < np.ptp(poses[middle, travel.FEET[second % 2], 0])
    assert path[-1, 0] > 2


def test_feet_that_drift_to_one_side_do_not_keep_the_dancer_there():
    long = travel_model.path_of(NONE, stepping(120, 0.8), FPS, 12, np.random.default_rng(0))
    assert np.ptp(long[900:, 0]) < 1.5 and long[-1, 0] < 0.8 * travel_model.LEAK


def test_paths_vary_as_those_of_the_fit_and_turn_back():
    dances = [(standing(200), wandering(0.5, -0.03, 0.4, 200, seed), FPS) for seed in range(8)]
    found, rng = travel_model.fit(dances), np.random.default_rng(0)
    drawn = {
        stage: [travel_model.path_of(found, standing(200), FPS, stage, rng) for _ in range(8)] for stage in (6, 12)
    }
    spread = {stage: np.mean([path[:, 0].std() for path in paths]) for stage, paths in drawn.items()}
    assert spread[12] == pytest.approx(np.mean([path[:, 0].std() for _, path, _ in dances]), rel=0.25)
    assert 0.3 < spread[6] / spread[12] < 0.7  # half of the stage
    long = travel_model.path_of(found, standing(3000), FPS, 12, rng)[:, 0]
    assert np.abs(long).max() < 8 * spread[12] and abs(long.mean()) < spread[12]


def test_paths_do_not_grow_whatever_the_data():
    """One dance is too short for all coefficients, and one runs away ever faster."""
    away = np.zeros((60, 3), np.float32)
    away[:, 0] = np.exp(np.arange(60) / FPS)
    for dance in ((standing(4), away, FPS), (standing(3), away[:45], FPS)):
        found = travel_model.fit([dance])
        assert 0 <= found.memory[0] < 1 and found.pull[0] < 0
        across = travel_model.path_of(found, standing(4000), FPS, 12, np.random.default_rng(0))[:, 0]
        assert np.isfinite(across).all() and across[30000:].std() <= 2 * across[:30000].std() + 1e-6


def test_unknown_paths_leave_the_feet():
    poses = stepping(20, 0.5)
    unknown = np.full((len(poses), 3), np.nan, np.float32)
    found = travel_model.fit([(poses, unknown, FPS), (poses[:2], poses[:2, 0:3, 0], FPS)])
    assert found == NONE
    path = travel_model.path_of(found, poses, FPS, 12, np.random.default_rng(0))
    feet = travel.from_feet(poses, FPS, travel_model.LEAK)
    np.testing.assert_allclose(path, feet - feet[0], atol=1e-5)


def test_gaps_and_other_skeletons():
    paths = [wandering(0.5, -0.03, 0.4, 60, seed) for seed in range(4)]
    paths[0][200:260] = np.nan
    found = travel_model.fit([(standing(60, 9), path, FPS) for path in paths])
    assert found.deviation[0] > 0.2 and found.gain == (0, 0)
    for count in (1, 2, 40):
        path = travel_model.path_of(found, standing(60, 9)[:count], FPS, 12, np.random.default_rng(0))
        assert path.shape == (count, 3) and np.isfinite(path).all() and (path[:, 1] == 0).all() and path[0, 0] == 0
