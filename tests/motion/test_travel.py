import numpy as np
import pytest

from learn2dance.motion import skeleton, travel
from learn2dance.motion.skeleton import MID_HIP, NECK

RIGHT, LEFT = skeleton.BODY_25.index("RAnkle"), skeleton.BODY_25.index("LAnkle")
HIPS = 1.8  # torso lengths: height of the hips of a dancer who stands
SECONDS = np.arange(1500) / 25


def film(x, hips, distance, camera=HIPS, focal=900.0):
    """Draw a dancer with a pinhole camera that looks horizontally: pixels (T, 15, 2), y down.

    ``x``, the height ``hips`` and the ``distance`` from the camera are (T,), in torso lengths, the ``camera`` is at
    this height. All joints are equally far from the camera, and the torso is upright.
    """
    joints = np.random.default_rng(0).normal(0, 0.5, (15, 2))
    joints[MID_HIP], joints[NECK] = (0, 0), (0, 1)
    world = joints + np.stack([x, hips - camera], axis=1)[:, None]
    return (640, 360) + focal * world * (1, -1) / np.asarray(distance)[:, None, None]


def roaming():
    """Return x, the height of the hips and the distance (T,) of a dancer who also dips, at other frequencies."""
    distance = 10 * np.exp(0.2 * np.sin(0.25 * SECONDS + 1))
    return 3 * np.sin(0.4 * SECONDS), HIPS + 0.1 * np.sin(5 * SECONDS), distance


@pytest.mark.parametrize("camera", [0.5, HIPS, 2.8, 4.0])
def test_the_path_is_found_at_any_height_of_the_camera(camera):
    x, hips, distance = roaming()
    path = travel.from_camera(film(x, hips, distance, camera), 25)
    assert path.shape == (1500, 3) and path.dtype == np.float32
    np.testing.assert_allclose(np.median(path, axis=0), 0, atol=1e-3)  # relative to the dance's own middle
    # The size is smoothed over a second; of the first and the last second, only half is seen.
    inside, near = slice(50, -50), -np.log(distance)
    np.testing.assert_allclose(path[inside, 0], (x - np.median(x))[inside], atol=0.08)
    np.testing.assert_allclose(path[inside, 2], (near - np.median(near))[inside], atol=0.01)
    # Of the camera's height above the hips, a share is left to the prior (ridge regression): at most half of `CROUCH`.
    error = path[:, 1] - (hips - np.median(hips))
    assert (error - error.mean()).std() < abs(camera - HIPS) * travel.CROUCH / 2 + 0.01


def test_without_the_correction_an_approach_is_a_jump():
    """The control of the test above: the height in the picture alone is off by far more."""
    x, hips, distance = roaming()
    pixels = film(x, hips, distance, 4.0)
    size = skeleton.torso_length(pixels, 25)
    naive = (pixels[:, MID_HIP, 1].mean() - pixels[:, MID_HIP, 1]) / size
    assert (naive - hips).std() > 2.5 * (travel.from_camera(pixels, 25)[:, 1] - hips).std()


def test_shift_and_zoom_of_the_picture_do_not_matter():
    pixels = film(*roaming(), camera=3.0)
    path = travel.from_camera(pixels, 25)
    np.testing.assert_allclose(travel.from_camera(2.5 * pixels + (300, -120), 25), path, atol=1e-5)


def test_an_approach_is_the_log_of_the_ratio_of_distances():
    distance = np.interp(SECONDS, [10, 40], [12, 8])  # stands, approaches, stands
    step = np.where(SECONDS < 50, 0, 0.01)  # hips that never move would be those of root-centred poses
    path = travel.from_camera(film(step, HIPS + 0 * SECONDS, distance), 25)
    assert path[-1, 2] - path[0, 2] == pytest.approx(np.log(12 / 8), abs=1e-4)
    assert np.diff(path[:, 2]).min() > -1e-6
    np.testing.assert_allclose(path[:, 0], step, atol=1e-4)
    np.testing.assert_allclose(path[:, 1], 0, atol=1e-4)


def test_where_the_hips_are_missing_there_is_no_path():
    pixels = film(*roaming())
    pixels[100:110, MID_HIP] = np.nan
    pixels[300:310, NECK] = np.nan  # the size is known from the frames around
    path = travel.from_camera(pixels, 25)
    assert np.flatnonzero(np.isnan(path).any(1)).tolist() == list(range(100, 110))
    complete = travel.from_camera(film(*roaming()), 25)
    change = np.delete(path - complete, range(100, 110), 0)
    np.testing.assert_allclose(change - np.median(change, axis=0), 0, atol=0.02)
    assert np.isnan(travel.from_camera(np.full((9, 15, 2), np.nan), 25)).all()


def swaying(frames=120):
    """Return poses (T, 15, 2) of hips that sway and dip over a standing right foot, and how far they do."""
    sway, dip = 0.3 * np.sin(np.arange(frames) / 10), 0.1 * np.sin(np.arange(frames) / 7)
    poses = np.zeros((frames, 15, 2))
    poses[:, NECK] = (0, 1)
    poses[:, RIGHT] = np.stack([-0.2 - sway, -HIPS - dip], 1)
    poses[:, LEFT] = (0.2, -1.2)  # in the air
    return poses, sway, dip


def test_from_the_feet_the_standing_foot_stays():
    poses, sway, dip = swaying()
    path = travel.from_feet(poses, fps=30, leak=np.inf)
    stood = travel.place(poses, path)
    inside = slice(6, -6)  # the smoothing sees less at the edges
    assert np.ptp(stood[inside, RIGHT, 0]) < 0.02 and np.ptp(poses[:, RIGHT, 0]) > 0.5
    assert np.ptp(stood[inside, RIGHT, 1]) < 0.02
    np.testing.assert_allclose(np.diff(path[inside, 0]), np.diff(sway[inside]), atol=0.002)
    np.testing.assert_allclose(np.diff(path[inside, 1]), np.diff(dip[inside]), atol=0.002)
    np.testing.assert_allclose(travel.rooted(stood), poses, atol=1e-5)  # the pose itself is the same
    assert (path[:, 2] == 0).all()


def test_travel_from_the_feet_decays():
    """After a step of the hips over a foot, they return to e^-1 of it in `LEAK` seconds."""
    poses = swaying(300)[0]
    poses[:, RIGHT] = np.stack([np.where(np.arange(300) < 30, 0.0, -0.5), np.full(300, -HIPS)], 1)
    path = travel.from_feet(poses, fps=30)[:, 0]
    path -= path[0]
    assert path[35] == pytest.approx(0.5, abs=0.05)
    assert path[35 + 60] / path[35] == pytest.approx(np.exp(-2 / travel.LEAK), abs=0.01)


def test_without_feet_there_is_no_path_from_them():
    poses = swaying()[0]
    assert (travel.from_feet(poses[:, :13], 30) == 0).all()  # a skeleton without ankles
    poses[20:40, [RIGHT, LEFT]] = np.nan
    assert np.isfinite(travel.from_feet(poses, 30)).all()
    assert (travel.from_feet(np.full((9, 15, 2), np.nan), 30) == 0).all()


def test_the_lower_foot_carries_the_weight():
    feet = np.array([[[0, 0], [1, 0]], [[0, 0], [1, travel.CONTACT]], [[0, 0.5], [1, 0]]], float)
    np.testing.assert_allclose(travel.support(feet)[:, 0], [0.5, np.e / (np.e + 1), 0], atol=1e-4)
    np.testing.assert_allclose(travel.support(feet).sum(1), 1)


def test_edges_cost_and_the_middle_does_not():
    half = np.array([4, np.log(1.6) / 2])  # of a stage 8 torso lengths wide: the near edge looks 1.6 times as large
    at = np.array([[0, 0], [1, 0], [-1, 0], [0, 1], [0.5, 0], [1, -1]]) * half
    np.testing.assert_allclose(travel.edge_cost(at, 8.0), [0, 1, 1, 1, 1 / 16, 2])


@pytest.mark.parametrize("stage", [4.0, 12.0])
def test_a_path_stays_on_its_stage(stage):
    rng = np.random.default_rng(0)
    path = np.cumsum(rng.normal(0, [0.5, 0.1, 0.05], (3000, 3)), axis=0) + 7
    held = travel.stay(path, 30, stage)
    half = np.array([stage / 2, np.log(1.6) / 2])
    moved, free = held[:, [0, 2]], (path - path[0])[:, [0, 2]]
    assert (np.abs(free).max(0) > 3 * half).all() and held.dtype == np.float32
    assert (np.abs(moved) <= half + 1e-6).all()
    np.testing.assert_allclose(held[:, 1], path[:, 1] - path[0, 1], atol=1e-5)  # the height is not changed


def test_a_path_that_stays_on_the_stage_is_not_changed():
    path = np.zeros((300, 3))
    path[:, 0] = 4 * np.sin(np.arange(300) / 30)
    np.testing.assert_allclose(travel.stay(path, 30, 2 * 4.0 / travel.KNEE + 0.01), path, atol=1e-6)


def test_a_dancer_who_walks_off_comes_back_and_keeps_stepping():
    seconds = np.arange(3000) / 30
    path = np.zeros((3000, 3))
    path[:, 0] = 0.5 * seconds + 0.3 * np.sin(2 * np.pi * seconds)  # 50 torso lengths away, and a step each second
    held = travel.stay(path, 30, 8.0)[:, 0]
    assert np.mean(np.abs(held) > 0.9 * 4) < 0.05  # does not stand at the edge
    inner = slice(900, 2100)  # the ends have no drift beyond them
    np.testing.assert_allclose(np.ptp(held[inner]), 0.6, atol=0.05)


@pytest.mark.parametrize("joints", [7, 15, 25])
def test_poses_and_their_path_are_separated(joints):
    """A body that does not move within itself goes to the right, 2 units a second, and up, 1 unit in all."""
    body = np.random.default_rng(0).normal(size=(1, joints, 2))
    if joints > 7:
        body -= body[:, MID_HIP : MID_HIP + 1]
        body[:, NECK] = [0, 1]
    else:
        body -= body.mean(1, keepdims=True)
        body /= np.sqrt((body**2).sum(-1).mean())
    way = np.stack([2 * np.arange(60) / 30, np.linspace(0, 1, 60)], axis=1)
    filmed = [300, 400] + 50 * (body + way[:, None]) * [1, -1]
    poses, path = travel.split(filmed, 30.0)
    np.testing.assert_allclose(poses, np.repeat(body, 60, 0), atol=1e-4)
    np.testing.assert_allclose(np.diff(path[:, 0]), 2 / 30, atol=1e-4)
    np.testing.assert_allclose(np.diff(path[:, 1]), 1 / 59, atol=1e-4)
    np.testing.assert_allclose(path[:, 2], 0, atol=1e-4)
    assert np.isnan(travel.split(filmed, 30.0, still=False)[1]).all()  # the camera moved
    nearer = np.linspace(0, 0.4, 60, dtype=np.float32)
    poses, path = travel.split(body + way[:, None], 30.0, True, nearer)  # as in a dance file
    np.testing.assert_allclose(poses, np.repeat(body, 60, 0), atol=1e-5)
    np.testing.assert_allclose(path, np.column_stack([way, nearer]) - [59 / 30, 0.5, 0.2], atol=1e-5)
    still = np.repeat(body, 60, 0)
    assert np.isnan(travel.split(still, 30.0, True)[1]).all()  # root-centred
    filmed = 300 + 50 * still * np.linspace(1, 1.5, 60)[:, None, None]  # the same in pixels, though the size changes
    assert np.isnan(travel.split(filmed, 30.0)[1]).all()


def test_placed_poses_are_split_again():
    poses, sway, dip = swaying()
    path = np.stack([sway * 5, dip, dip], axis=1).astype(np.float32)
    placed = travel.place(poses, path + [9, 7, 0])
    for nearer in (None, path[:, 2]):
        centred, found = travel.split(placed, 30, True, nearer)
        np.testing.assert_allclose(centred, poses, atol=1e-5)
        expected = path * [1, 1, nearer is not None]
        np.testing.assert_allclose(found, expected - np.median(expected, axis=0), atol=1e-5)
    np.testing.assert_array_equal(centred[:, MID_HIP], 0)
    path[0] = np.nan  # nobody is there
    placed = travel.place(poses, path)
    assert np.isnan(placed[0]).all()
    np.testing.assert_allclose(placed[1:, MID_HIP], path[1:, :2] - path[1, :2], atol=1e-6)


def test_where_no_path_is_known_it_comes_from_the_feet():
    poses = swaying()[0]
    poses[3] = np.nan
    centred, path = travel.split(poses, 30, True)
    np.testing.assert_array_equal(centred, poses.astype(np.float32))
    found = travel.or_feet(path, centred, 30)
    np.testing.assert_array_equal(found, travel.from_feet(centred, 30))
    assert np.ptp(found[:, 0]) > 0.3
    found[5] = np.nan
    assert travel.or_feet(found, centred, 30) is found


def test_a_dancer_twice_as_near_is_twice_as_large_and_the_horizon_is_fixed():
    poses = np.repeat(swaying()[0][:1], 3, 0)
    poses[:, 3] = (0.7, travel.HORIZON)
    seen = travel.perspective(poses, np.log([1.0, 2.0, 0.5]))
    np.testing.assert_allclose(seen[0], poses[0], atol=1e-6)
    np.testing.assert_allclose(seen[:, 3, 1], travel.HORIZON, atol=1e-6)
    for frame, ratio in ((1, 2.0), (2, 0.5)):
        np.testing.assert_allclose(seen[frame] - seen[frame, 3], ratio * (poses[frame] - poses[frame, 3]), atol=1e-5)
    assert seen[1, RIGHT, 1] < seen[0, RIGHT, 1] < seen[2, RIGHT, 1]  # nearer feet are lower in the picture


def test_a_dance_seen_in_perspective_has_its_path():
    """What `perspective` draws, a camera at its height sees: `from_camera` finds the path again."""
    x, hips, distance = roaming()
    nearer = np.log(distance[0] / distance)
    poses = film(x, hips, np.ones(len(x)), focal=1.0) * (1, -1) - (640, -360)
    path = travel.from_camera(500 * travel.perspective(poses, nearer) * (1, -1), 25)
    np.testing.assert_allclose(path[50:-50, 2], (nearer - np.median(nearer))[50:-50], atol=0.01)
    np.testing.assert_allclose(path[50:-50, 0], (x - np.median(x))[50:-50], atol=0.1)
